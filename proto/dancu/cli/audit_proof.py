"""`dancu audit proof`: that the record of a receipt stands in its journal, checked with nothing but a public key.

Owns the file of a proof and what is said of it. Fetching asks the gateway with the account's own key, since a receipt
is proved to nobody else; verifying asks nobody.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dancu.cli.evidence_files import public_keys_of
from dancu.cli.gateway import DataDirOption, TargetOption, TimeoutOption, gateway
from dancu.cli.output import JsonOption, LangOption, Language, clean, complain, print_card, print_json
from dancu.cli.spans import VIETNAM

if TYPE_CHECKING:
    from dancu.audit.v1.audit_record_pb2 import AuditRecord
    from gateway.audit.checkpoints import Checkpoint
    from gateway.audit.notes import VerifierKey
    from gateway.audit.proofs import InclusionProof
    from gateway.audit.receipt import Receipt


@dataclass(frozen=True, slots=True)
class _Keys:
    """Public keys, and how far they can be trusted."""

    keys: Sequence[VerifierKey]
    remark: str


def proof(
    receipt: Annotated[
        str,
        typer.Argument(
            metavar="RECEIPT", help="Receipt as an answer carried it, or a file that -o wrote, which needs no gateway."
        ),
    ],
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the proof and say what it shows; exits with 1 where it fails.")
    ] = False,
    key: Annotated[
        str, typer.Option("--key", metavar="VERIFIER_KEY", help="Public key to trust, name+id+key; needs --verify.")
    ] = "",
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="File with such keys, one a line.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Keep the proof in a file.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", metavar="KEY", help="Key of the account; better in $DANCU_API_KEY.")
    ] = None,
    target: TargetOption = None,
    data_dir: DataDirOption = None,
    timeout: TimeoutOption = 30.0,
    as_json: JsonOption = False,
    language: LangOption = Language.EN,
) -> None:
    """Fetch the proof of a receipt, and verify it with nothing but the gateway's public key.

    The key comes from --key or --key-file; without them from the installation's files where there are some, and
    otherwise from the gateway itself, which proves no more than that the gateway agrees with itself.
    """
    named = _named_keys(key, key_file)
    kept = _from_file(receipt)
    if kept is not None:
        found, about = kept
        keys = named or _local_keys(data_dir, language)
        if verify and keys is None:
            raise typer.BadParameter("a proof from a file needs the public key", param_hint="--key")
    else:
        about = _receipt(receipt)
        with gateway(
            target=target, key=api_key, data_dir=data_dir, timeout_seconds=timeout, language=language, as_json=as_json
        ) as client:
            from gateway.audit.proofs import InclusionProof

            sent = client.get_inclusion_proof(receipt)
            found = InclusionProof(
                about.origin, sent.leaf_index, sent.tree_size, sent.record, tuple(sent.path), sent.checkpoint
            )
            keys = named or _local_keys(data_dir, language)
            if verify and keys is None:
                keys = _told_keys(client.get_checkpoint(about.origin).verifier_keys, language)
    bundle = {**found.to_json(), "receipt": str(about)}
    if output is not None:
        _write(output, bundle, language)
    if verify:
        assert keys is not None
        _verify(found, about, keys, language=language, as_json=as_json)
    elif output is None:
        print_json(bundle)


def _verify(found: InclusionProof, about: Receipt, keys: _Keys, *, language: Language, as_json: bool) -> None:
    from gateway.audit.merkle import ProofError

    try:
        checkpoint = found.verify(keys.keys, receipt=about)
        record = _record(found)
    except ProofError as error:
        if as_json:
            print_json({"verified": False, "receipt": str(about), "reason": str(error)})
        else:
            complain(language.of(f"Not verified: {error}.", f"Không xác minh được: {error}."))
        raise typer.Exit(1) from None
    if as_json:
        print_json(_verified_json(found, about, checkpoint, record))
        return
    of = language.of
    size = f"{checkpoint.size:,}" if language is Language.EN else f"{checkpoint.size:,}".replace(",", ".")
    sys.stdout.write(
        of(
            f"Verified: the record below is number {found.index} of journal {found.origin}, exactly as its receipt has "
            f"it, and part of the {size} records whose signed checkpoint vouches for them.\n",
            f"Đã xác minh: bản ghi dưới đây là bản ghi số {found.index} của nhật ký {found.origin}, đúng như biên "
            f"nhận, và thuộc {size} bản ghi được điểm kiểm tra đã ký bảo chứng.\n",
        )
    )
    sys.stdout.write(f"{keys.remark}\n\n")
    print_card(_record_rows(record, language))


def _record(found: InclusionProof) -> AuditRecord:
    from google.protobuf.message import DecodeError

    from dancu.audit.v1.audit_record_pb2 import AuditRecord
    from gateway.audit.merkle import ProofError

    try:
        record = AuditRecord.FromString(found.record)
    except DecodeError:
        raise ProofError("the proof's record is not an audit record") from None
    if record.index != found.index:
        raise ProofError("the record says another place than the proof")
    return record


def _record_rows(record: AuditRecord, language: Language) -> list[tuple[str, str]]:
    from dancu.client.audit_calls import outcome_text

    of = language.of
    when = record.time.ToDatetime(UTC).astimezone(VIETNAM)
    rows = [
        (of("Time", "Thời điểm"), f"{when:%Y-%m-%d %H:%M:%S %z}"),
        (of("Account", "Tài khoản"), record.account),
        (of("Officer", "Cán bộ"), record.officer),
        (of("Method", "Phương thức"), record.method),
        (of("Procedure", "Thủ tục"), record.procedure),
        (of("Dossier", "Hồ sơ"), record.dossier),
        (of("Outcome", "Kết quả"), outcome_text(record.outcome)),
        (of("Fields", "Các trường"), " ".join(record.fields)),
        (of("Request", "Mã yêu cầu"), record.request_id),
    ]
    return [(label, value) for label, value in rows if value]


def _verified_json(
    found: InclusionProof, about: Receipt, checkpoint: Checkpoint, record: AuditRecord
) -> dict[str, Any]:
    from dancu.audit.v1.audit_service_pb2 import ListedRecord
    from dancu.cli.audit_rows import json_row, row_of

    return {
        "verified": True,
        "receipt": str(about),
        "origin": found.origin,
        "index": found.index,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "record": json_row(row_of(ListedRecord(record=record, receipt=str(about)))),
    }


def _receipt(text: str) -> Receipt:
    from gateway.audit.receipt import MalformedReceiptError, Receipt

    try:
        return Receipt.parse(text.strip())
    except MalformedReceiptError as error:
        raise typer.BadParameter(f"{error}; or name a file with a proof", param_hint="RECEIPT") from None


def _from_file(text: str) -> tuple[InclusionProof, Receipt] | None:
    """The proof in a file of that name; None where there is none."""
    from gateway.audit.proofs import InclusionProof, MalformedProofError

    path = Path(text)
    try:
        if not path.is_file():
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise MalformedProofError("not an object")  # noqa: TRY301  one way out for all that is no proof
        return InclusionProof.from_json(told), _receipt(str(told.get("receipt", "")))
    except OSError as error:
        complain(f"{clean(text)}: {error.strerror}")
    except (ValueError, MalformedProofError) as error:
        complain(f"{clean(text)}: not a proof: {error}")
    raise typer.Exit(1)


def _named_keys(key: str, key_file: Path | None) -> _Keys | None:
    from gateway.audit.notes import KeyFormatError, VerifierKey

    texts = [key] if key else []
    if key_file is not None:
        try:
            texts += key_file.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            complain(f"{key_file}: {getattr(error, 'strerror', None) or 'not text'}")
            raise typer.Exit(1) from None
    option = "--key" if key_file is None else "--key-file"
    try:
        keys = [VerifierKey.parse(text.strip()) for text in texts]
    except KeyFormatError as error:
        raise typer.BadParameter(f"not a public key: {error}", param_hint=option) from None
    if key_file is not None and not keys:
        raise typer.BadParameter("holds no key", param_hint=option)
    return _Keys(keys, "") if keys else None


def _local_keys(data_dir: Path | None, language: Language) -> _Keys | None:
    """The public keys in the files of an installation that was named."""
    if data_dir is None:
        return None
    from adapters.journal.signing_keys import read_verifiers
    from gateway.audit.notes import KeyFormatError

    folder = public_keys_of(data_dir)
    try:
        keys = read_verifiers(folder)
    except (OSError, KeyFormatError) as error:
        complain(f"{folder}: {getattr(error, 'strerror', None) or error}")
        raise typer.Exit(1) from None
    remark = language.of(f"The public key is the one in {folder}.", f"Khóa công khai lấy từ {folder}.")
    return _Keys(keys, remark) if keys else None


def _told_keys(texts: Sequence[str], language: Language) -> _Keys:
    from gateway.audit.notes import KeyFormatError, VerifierKey

    try:
        keys = [VerifierKey.parse(text) for text in texts]
    except KeyFormatError as error:
        complain(language.of(f"the gateway told no usable key: {error}", f"cổng không cho khóa dùng được: {error}"))
        raise typer.Exit(1) from None
    listed = " ".join(str(key) for key in keys)
    remark = language.of(
        f"The public key was told by the gateway itself; compare it with a copy obtained otherwise: {listed}",
        f"Khóa công khai do chính cổng cung cấp; hãy đối chiếu với bản nhận qua kênh khác: {listed}",
    )
    return _Keys(keys, remark)


def _write(output: Path, bundle: dict[str, Any], language: Language) -> None:
    try:
        output.write_text(json.dumps(bundle, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        complain(f"{output}: {error.strerror}")
        raise typer.Exit(1) from None
    complain(language.of(f"proof in {output}", f"bằng chứng trong {output}"))
