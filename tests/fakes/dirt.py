"""How names, birth dates and provinces are really written, and what a verification makes of it: tables.

Each row: what is claimed, what is on record, and the verdict: `""` for MATCH, the normalisations in the order of their
numbers, `MISMATCH` or `NOT_HELD`. The dirt is that of registers (FACTS): capitals, no diacritics, NFD, d for đ, double
spaces, tone marks on the other vowel, another order, years for dates, codes of provinces that no longer exist.
"""

from __future__ import annotations

import unicodedata

MISMATCH = "MISMATCH"
NOT_HELD = "NOT_HELD"


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


AN = "Nguyễn Văn An"
HOA = "Trần Thị Hòa"
DUNG = "Đặng Đình Dũng"
HIEU = "Lê Minh Hiếu"
PHUONG = "Hoàng Thị Phượng"
THUY = "Vũ Thị Thúy"
QUY = "Phạm Văn Quý"
DO = "Đỗ Thị Hoa"

NAMES: list[tuple[str, str, str]] = [
    # the same characters
    (AN, AN, ""),
    (HOA, HOA, ""),
    (DUNG, DUNG, ""),
    ("Y Bhăm Êban", "Y Bhăm Êban", ""),
    (nfd(AN), nfd(AN), ""),
    ("Nguyen Van An", "Nguyen Van An", ""),
    ("Thạch", "Thạch", ""),
    # capitals
    ("NGUYỄN VĂN AN", AN, "CASE"),
    ("nguyễn văn an", AN, "CASE"),
    ("nGUYỄN vĂN aN", AN, "CASE"),
    ("ĐẶNG ĐÌNH DŨNG", DUNG, "CASE"),
    ("HOÀNG THỊ PHƯỢNG", PHUONG, "CASE"),
    ("NGUYỄN VĂN An", AN, "CASE"),
    # no diacritics at all, on one side
    ("Nguyen Van An", AN, "DIACRITICS"),
    ("Tran Thi Hoa", HOA, "DIACRITICS"),
    ("Le Minh Hieu", HIEU, "DIACRITICS"),
    ("Hoang Thi Phuong", PHUONG, "DIACRITICS"),
    ("Pham Van Quy", QUY, "DIACRITICS"),
    (AN, "Nguyen Van An", "DIACRITICS"),
    (HIEU, "Le Minh Hieu", "DIACRITICS"),
    ("NGUYEN VAN AN", AN, "CASE DIACRITICS"),
    ("nguyen van an", AN, "CASE DIACRITICS"),
    ("TRAN THI HOA", HOA, "CASE DIACRITICS"),
    ("HOANG THI PHUONG", PHUONG, "CASE DIACRITICS"),
    (PHUONG, "HOANG THI PHUONG", "CASE DIACRITICS"),
    ("Huynh Thi My Uyen", "Huỳnh Thị Mỹ Uyên", "DIACRITICS"),
    ("Nguyen Thi Ngoc Anh", "Nguyễn Thị Ngọc Ánh", "DIACRITICS"),
    # d for đ, and the letters that look like it
    ("Dặng Dình Dũng", DUNG, "D_STROKE"),
    ("Dỗ Thị Hoa", DO, "D_STROKE"),
    (DUNG, "Dặng Dình Dũng", "D_STROKE"),
    ("Dang Dinh Dung", DUNG, "DIACRITICS D_STROKE"),
    ("Do Thi Hoa", DO, "DIACRITICS D_STROKE"),
    ("DO THI HOA", DO, "CASE DIACRITICS D_STROKE"),
    ("DANG DINH DUNG", DUNG, "CASE DIACRITICS D_STROKE"),
    ("Đang Đinh Dung", DUNG, "DIACRITICS"),
    ("Đo Thi Hoa", DO, "DIACRITICS"),
    ("Ðặng Ðình Dũng", DUNG, "D_STROKE"),
    ("Ɖỗ Thị Hoa", DO, "D_STROKE"),
    ("ÐỖ THỊ HOA", DO, "CASE D_STROKE"),
    ("ÐO THI HOA", DO, "CASE DIACRITICS D_STROKE"),
    # Unicode forms
    (nfd(AN), AN, "UNICODE_FORM"),
    (AN, nfd(AN), "UNICODE_FORM"),
    (nfd(PHUONG), PHUONG, "UNICODE_FORM"),
    (nfd(DUNG), DUNG, "UNICODE_FORM"),
    (unicodedata.normalize("NFKD", HIEU), HIEU, "UNICODE_FORM"),
    # the half-composed form of Windows-1258: circumflex composed, tone apart
    ("L\u00ea Minh Hi\u00ea\u0301u", HIEU, "UNICODE_FORM"),
    ("Nguy\u00ea\u0303n V\u0103n An", AN, "UNICODE_FORM"),
    (nfd("NGUYỄN VĂN AN"), AN, "CASE UNICODE_FORM"),
    (nfd("hoàng thị phượng"), PHUONG, "CASE UNICODE_FORM"),
    (nfd(AN), "Nguyen Van An", "DIACRITICS"),
    # the marks of one letter in the order in which they were typed
    ("Hoàng Thị Phu\u031b\u0323o\u031bng", "Hoàng Thị Phự" + "o\u031bng", "UNICODE_FORM"),
    # spaces
    ("Nguyễn  Văn An", AN, "SPACES"),
    (" Nguyễn Văn An", AN, "SPACES"),
    ("Nguyễn Văn An ", AN, "SPACES"),
    ("Nguyễn\u00a0Văn\u00a0An", AN, "SPACES"),
    ("Nguyễn\u3000Văn An", AN, "SPACES"),
    ("Nguyễn Văn An\u200b", AN, "SPACES"),
    ("\ufeffNguyễn Văn An", AN, "SPACES"),
    (AN, "Nguyễn   Văn   An", "SPACES"),
    ("NGUYỄN  VĂN AN", AN, "CASE SPACES"),
    ("NGUYEN  VAN AN", AN, "CASE DIACRITICS SPACES"),
    ("  nguyen van  an ", AN, "CASE DIACRITICS SPACES"),
    (nfd("Nguyễn  Văn An"), AN, "UNICODE_FORM SPACES"),
    ("DO  THI HOA", DO, "CASE DIACRITICS D_STROKE SPACES"),
    # tone marks on the other vowel: two spelling rules for oa, oe, uy
    ("Trần Thị Hoà", HOA, "TONE_PLACEMENT"),
    (HOA, "Trần Thị Hoà", "TONE_PLACEMENT"),
    ("Vũ Thị Thuý", THUY, "TONE_PLACEMENT"),
    ("Phạm Văn Qúy", QUY, "TONE_PLACEMENT"),
    ("Lê Văn Khoẻ", "Lê Văn Khỏe", "TONE_PLACEMENT"),
    ("Nguyễn Thị Loan Toạ", "Nguyễn Thị Loan Tọa", "TONE_PLACEMENT"),
    ("TRẦN THỊ HOÀ", HOA, "CASE TONE_PLACEMENT"),
    ("Trần  Thị Hoà", HOA, "SPACES TONE_PLACEMENT"),
    # another order of the same words
    ("An Nguyễn Văn", AN, "WORD_ORDER"),
    ("Văn An Nguyễn", AN, "WORD_ORDER"),
    ("An Văn Nguyễn", AN, "WORD_ORDER"),
    (AN, "An Nguyễn Văn", "WORD_ORDER"),
    ("AN NGUYỄN VĂN", AN, "CASE WORD_ORDER"),
    ("An Nguyen Van", AN, "DIACRITICS WORD_ORDER"),
    ("VAN AN NGUYEN", AN, "CASE DIACRITICS WORD_ORDER"),
    ("Dũng Đặng Đình", DUNG, "WORD_ORDER"),
    ("dung dang dinh", DUNG, "CASE DIACRITICS D_STROKE WORD_ORDER"),
    ("Hoà Trần Thị", HOA, "WORD_ORDER TONE_PLACEMENT"),
    ("Minh Hiếu Lê", HIEU, "WORD_ORDER"),
    ("Ánh Nguyễn Thị Ngọc", "Nguyễn Thị Ngọc Ánh", "WORD_ORDER"),
    # other names: one letter, one tone, one word
    ("Nguyễn Văn Anh", AN, MISMATCH),
    ("Nguyễn Văn Ân", AN, MISMATCH),
    ("Nguyễn Văn", AN, MISMATCH),
    ("Nguyễn An", AN, MISMATCH),
    ("An", AN, MISMATCH),
    ("Nguyễn Văn An An", AN, MISMATCH),
    ("Nguyễn Văn An Bình", AN, MISMATCH),
    ("Nguyễn VănAn", AN, MISMATCH),
    ("NguyễnVănAn", AN, MISMATCH),
    ("Nguyễn V. An", AN, MISMATCH),
    ("N V An", AN, MISMATCH),
    ("Nguyễn Văn Am", AN, MISMATCH),
    ("Trần Văn An", AN, MISMATCH),
    ("Nguyễn Thị An", AN, MISMATCH),
    ("Trần Thị Hoa", HOA, MISMATCH),
    ("Trần Thị Hoá", HOA, MISMATCH),
    ("Trần Thị Hoả", HOA, MISMATCH),
    ("Trần Thị Hoạ", HOA, MISMATCH),
    ("Tran Thi Hoà", "Trần Thị Hòa", MISMATCH),
    ("Trần Thi Hòa", HOA, MISMATCH),
    ("Nguyển Văn An", AN, MISMATCH),
    ("Nguyên Văn An", AN, MISMATCH),
    ("Lê Minh Hiểu", HIEU, MISMATCH),
    ("Lê Minh Hiêu", HIEU, MISMATCH),
    ("Đặng Đình Đũng", DUNG, MISMATCH),
    ("Đặng Dình Dũng", DUNG, MISMATCH),
    ("Huỳnh Thị Phượng", PHUONG, MISMATCH),
    ("Võ Thị Thúy", THUY, MISMATCH),
    ("Vũ Thị Thùy", THUY, MISMATCH),
    ("Lý Văn Tám", "Lí Văn Tám", MISMATCH),
    ("Hoang Thi Phuongg", PHUONG, MISMATCH),
    ("Nguyen Van Binh", AN, MISMATCH),
    ("Le Hieu", HIEU, MISMATCH),
    ("0123", AN, MISMATCH),
    ("?????", AN, MISMATCH),
    # nothing to compare with
    (AN, "", NOT_HELD),
    (AN, "   ", NOT_HELD),
]

# Claimed and held as YYYY, YYYY-MM or YYYY-MM-DD.
BIRTHS: list[tuple[str, str, str]] = [
    ("1990-02-14", "1990-02-14", ""),
    ("1990-02", "1990-02", ""),
    ("1990", "1990", ""),
    ("2000-02-29", "2000-02-29", ""),
    ("1990", "1990-02-14", "YEAR_ONLY_BIRTH"),
    ("1990-02", "1990-02-14", "YEAR_ONLY_BIRTH"),
    ("1990-02-14", "1990", "YEAR_ONLY_BIRTH"),
    ("1990-02-14", "1990-02", "YEAR_ONLY_BIRTH"),
    ("1990", "1990-02", "YEAR_ONLY_BIRTH"),
    ("1990-12-31", "1990", "YEAR_ONLY_BIRTH"),
    ("1991", "1990-02-14", MISMATCH),
    ("1991-02-14", "1990-02-14", MISMATCH),
    ("1990-03-14", "1990-02-14", MISMATCH),
    ("1990-02-15", "1990-02-14", MISMATCH),
    ("1990-03", "1990-02-14", MISMATCH),
    ("1990-03", "1990-02", MISMATCH),
    ("1991", "1990", MISMATCH),
    ("1991-02-14", "1990", MISMATCH),
    # swapped day and month: another date, and not for us to guess
    ("1990-05-04", "1990-04-05", MISMATCH),
    ("2090-02-14", "1990-02-14", MISMATCH),
    ("1990-02-14", "", NOT_HELD),
]

# The code claimed, the day on which it was written (empty: not said), the code on record (of the 34), the verdict.
RESIDENCES: list[tuple[str, str, str, str]] = [
    ("01", "", "01", ""),
    ("79", "", "79", ""),
    ("15", "", "15", ""),
    ("15", "2025-07-01", "15", ""),
    ("24", "2026-01-05", "24", ""),
    # the traps: the same digits meant another province until 30 June 2025, which became part of the one of that code
    ("15", "2025-06-30", "15", "PROVINCE_CODE"),
    ("24", "2024-03-01", "24", "PROVINCE_CODE"),
    ("44", "2020-12-31", "44", "PROVINCE_CODE"),
    ("52", "2009-01-01", "52", "PROVINCE_CODE"),
    ("80", "2025-01-01", "80", "PROVINCE_CODE"),
    ("82", "2025-01-01", "82", "PROVINCE_CODE"),
    ("91", "2025-01-01", "91", "PROVINCE_CODE"),
    # provinces that no longer exist
    ("10", "2025-06-30", "15", "PROVINCE_CODE"),
    ("27", "2024-03-01", "24", "PROVINCE_CODE"),
    ("45", "2024-03-01", "44", "PROVINCE_CODE"),
    ("64", "2024-03-01", "52", "PROVINCE_CODE"),
    ("72", "2024-03-01", "80", "PROVINCE_CODE"),
    ("87", "2024-03-01", "82", "PROVINCE_CODE"),
    ("89", "2024-03-01", "91", "PROVINCE_CODE"),
    ("30", "2024-03-01", "31", "PROVINCE_CODE"),
    ("74", "2024-03-01", "79", "PROVINCE_CODE"),
    ("77", "2024-03-01", "79", "PROVINCE_CODE"),
    ("30", "", "31", "PROVINCE_CODE"),
    ("74", "", "79", "PROVINCE_CODE"),
    ("79", "2024-03-01", "79", "PROVINCE_CODE"),
    ("01", "", "79", MISMATCH),
    ("15", "2024-03-01", "24", MISMATCH),
    ("10", "2024-03-01", "10", MISMATCH),
    ("10", "", "08", MISMATCH),
    ("30", "2024-03-01", "33", MISMATCH),
    ("24", "", "27", MISMATCH),
    ("01", "", "", NOT_HELD),
]
