"""What a refusal says, once in each language.

Static: no value of the caller's and no text of a driver ever joins it.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.errors import Reason


class Message(NamedTuple):
    """The same sentence for people of both languages: what happened, and what to do."""

    en: str
    vi: str


MESSAGES: dict[Reason, Message] = {
    Reason.KEY_MISSING: Message(
        "The call carries no usable key, token or certificate; send metadata "
        "'authorization: Bearer dck_<key id>_<secret>'.",
        "Cuộc gọi không kèm khóa, mã thông báo hay chứng thư hợp lệ; hãy gửi metadata "
        "'authorization: Bearer dck_<mã khóa>_<bí mật>'.",
    ),
    Reason.KEY_UNKNOWN: Message(
        "The key is not known; check it, or ask your organisation's administrator for a new one.",
        "Khóa không được nhận biết; hãy kiểm tra lại hoặc xin khóa mới từ quản trị viên của cơ quan.",
    ),
    Reason.KEY_EXPIRED: Message(
        "The key is no longer valid; ask your organisation's administrator for a new one.",
        "Khóa không còn hiệu lực; hãy xin khóa mới từ quản trị viên của cơ quan.",
    ),
    Reason.CERTIFICATE_MISMATCH: Message(
        "The certificate belongs to another account than the key or token sent with it, or to several.",
        "Chứng thư thuộc tài khoản khác với khóa hoặc mã thông báo gửi kèm, hoặc thuộc nhiều tài khoản.",
    ),
    Reason.CERTIFICATE_UNKNOWN: Message(
        "The certificate is bound to no account; give the operators of the gateway its SHA-256 fingerprint.",
        "Chứng thư chưa gắn với tài khoản nào; hãy gửi dấu vân tay SHA-256 của chứng thư cho đơn vị vận hành cổng.",
    ),
    Reason.CERTIFICATE_EXPIRED: Message(
        "The certificate, or its binding to the account, is no longer valid; show the new one.",
        "Chứng thư, hoặc việc gắn chứng thư với tài khoản, đã hết hiệu lực; hãy dùng chứng thư mới.",
    ),
    Reason.TOKEN_INVALID: Message(
        "The access token is not valid here; get one from the issuer the gateway trusts, for its audience.",
        "Mã thông báo truy cập không hợp lệ tại cổng này; hãy xin mã từ nơi cấp mà cổng tin cậy, đúng đối tượng nhận.",
    ),
    Reason.TOKEN_EXPIRED: Message(
        "The access token is no longer valid; get a new one from its issuer.",
        "Mã thông báo truy cập đã hết hiệu lực; hãy xin mã mới từ nơi cấp.",
    ),
    Reason.TOKEN_UNKNOWN: Message(
        "The access token is valid but its subject is bound to no account; ask the operators of the gateway.",
        "Mã thông báo truy cập hợp lệ nhưng chủ thể chưa gắn với tài khoản nào; hãy liên hệ đơn vị vận hành cổng.",
    ),
    Reason.TOKEN_KEYS_UNAVAILABLE: Message(
        "Access tokens cannot be checked now; retry after the time stated.",
        "Hiện chưa kiểm tra được mã thông báo truy cập; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.TOO_MANY_FAILED_LOGINS: Message(
        "Too many failed logins from this address; correct the credentials and retry after the time stated.",
        "Quá nhiều lần đăng nhập sai từ địa chỉ này; hãy sửa thông tin đăng nhập và gọi lại sau thời gian được nêu.",
    ),
    Reason.ACCOUNT_SUSPENDED: Message(
        "The account or its organisation is suspended; ask the operators of the gateway.",
        "Tài khoản hoặc cơ quan đang bị tạm ngưng; hãy liên hệ đơn vị vận hành cổng.",
    ),
    Reason.NETWORK_NOT_ALLOWED: Message(
        "The account may not call from this network address.",
        "Tài khoản không được phép gọi từ địa chỉ mạng này.",
    ),
    Reason.METHOD_NOT_GRANTED: Message(
        "The account may not call this method.",
        "Tài khoản không được phép gọi phương thức này.",
    ),
    Reason.FIELD_NOT_GRANTED: Message(
        "The account may not see a field that was asked for; the metadata names it.",
        "Tài khoản không được xem một trường đã yêu cầu; tên trường nằm trong metadata.",
    ),
    Reason.PURPOSE_NOT_GRANTED: Message(
        "The account may not ask for this administrative procedure.",
        "Tài khoản không được tra cứu cho thủ tục hành chính này.",
    ),
    Reason.OFFICER_UNKNOWN: Message(
        "The account's policy requires a known officer in purpose.officer_id.",
        "Chính sách của tài khoản yêu cầu cán bộ đã đăng ký trong purpose.officer_id.",
    ),
    Reason.INVALID_REQUEST: Message(
        "The request is not valid; every violation is listed.",
        "Yêu cầu không hợp lệ; mọi lỗi được liệt kê kèm theo.",
    ),
    Reason.CITIZEN_NOT_FOUND: Message(
        "Nobody holds this number.",
        "Không có công dân nào mang số này.",
    ),
    Reason.IDENTITY_MISMATCH: Message(
        "The number and the claims sent with it do not belong together.",
        "Số định danh và thông tin khai kèm không khớp nhau.",
    ),
    Reason.AMBIGUOUS: Message(
        "Several citizens hold this legacy number; ask by personal number.",
        "Nhiều công dân cùng mang số CMND này; hãy tra cứu bằng số định danh cá nhân.",
    ),
    Reason.RATE_LIMITED: Message(
        "More calls than the limit allows; retry after the time stated.",
        "Số cuộc gọi vượt giới hạn; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.DAILY_QUOTA_EXHAUSTED: Message(
        "The quota of the day is used up; it starts anew at midnight, Vietnam time.",
        "Đã dùng hết hạn mức trong ngày; hạn mức mới bắt đầu lúc nửa đêm, giờ Việt Nam.",
    ),
    Reason.TOO_MANY_IN_FLIGHT: Message(
        "Too many calls of this account are under way; wait for some to end.",
        "Tài khoản có quá nhiều cuộc gọi đang xử lý; hãy chờ bớt rồi gọi lại.",
    ),
    Reason.ENUMERATION_SUSPECTED: Message(
        "Too many numbers without a holder or claims that do not match; retry after the time stated.",
        "Quá nhiều số không tồn tại hoặc thông tin không khớp; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.OVERLOADED: Message(
        "The gateway is overloaded; retry after the time stated.",
        "Cổng đang quá tải; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.NATIONAL_DB_UNAVAILABLE: Message(
        "The national database does not answer; retry after the time stated.",
        "Cơ sở dữ liệu quốc gia không phản hồi; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.AUDIT_UNAVAILABLE: Message(
        "The call cannot be recorded, so it is not answered; retry after the time stated.",
        "Không ghi được nhật ký nên cuộc gọi không được trả lời; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.REQUEST_ID_REUSED: Message(
        "The request identifier was used before with another body.",
        "Mã yêu cầu đã được dùng trước đó với nội dung khác.",
    ),
    Reason.METHOD_UNKNOWN: Message(
        "There is no such method.",
        "Không có phương thức này.",
    ),
    Reason.CALLER_GONE: Message(
        "The caller hung up before the answer.",
        "Bên gọi đã ngắt trước khi có trả lời.",
    ),
    Reason.DEADLINE_EXCEEDED: Message(
        "The caller's deadline passed before the answer was ready.",
        "Quá thời hạn của bên gọi trước khi có trả lời.",
    ),
    Reason.INTERNAL: Message(
        "The gateway failed; give its operators the request identifier.",
        "Cổng gặp lỗi; hãy gửi mã yêu cầu cho đơn vị vận hành.",
    ),
    Reason.RECEIPT_NOT_FOUND: Message(
        "There is no such record of this account.",
        "Không có bản ghi như vậy của tài khoản này.",
    ),
    Reason.CHECKPOINT_PENDING: Message(
        "No signed checkpoint covers the record yet; retry after the time stated.",
        "Chưa có điểm kiểm đã ký bao trùm bản ghi; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.ACCOUNT_EXPIRED: Message(
        "The account was granted for a time that is over; ask the operators of the gateway.",
        "Tài khoản đã hết thời hạn được cấp; hãy liên hệ đơn vị vận hành cổng.",
    ),
    Reason.RESOURCE_NOT_FOUND: Message(
        "There is no such entry; the metadata names its kind.",
        "Không có mục này; loại của mục nằm trong metadata.",
    ),
    Reason.RESOURCE_EXISTS: Message(
        "The name is taken; choose another, or change the entry that has it.",
        "Tên đã được dùng; hãy chọn tên khác hoặc sửa mục đang mang tên đó.",
    ),
    Reason.STATE_CONFLICT: Message(
        "The change does not fit the present state; the metadata says what stands in its way.",
        "Thay đổi không phù hợp với trạng thái hiện tại; lý do nằm trong metadata.",
    ),
    Reason.ACCOUNTS_UNAVAILABLE: Message(
        "Accounts can be neither read nor changed now; retry after the time stated.",
        "Hiện chưa đọc hoặc thay đổi được tài khoản; hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.REGISTRY_UNAVAILABLE: Message(
        "The registry does not answer (the metadata names it); retry after the time stated.",
        "Cơ sở dữ liệu chuyên ngành không phản hồi (tên nằm trong metadata); hãy gọi lại sau thời gian được nêu.",
    ),
    Reason.REGISTRY_RECORD_NOT_FOUND: Message(
        "The registry holds nothing under this number.",
        "Cơ sở dữ liệu chuyên ngành không có dữ liệu nào theo số này.",
    ),
}
