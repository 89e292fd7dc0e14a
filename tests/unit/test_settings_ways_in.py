"""Settings of the ways in: one test for each mistake that would leave a door open or shut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.processes import plan
from gateway.settings import Settings, SettingsError, load_settings
from gateway.settings_access import MutualTlsSettings, OauthSettings


def mistakes(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "dancu.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as wrong:
        load_settings(file)
    return wrong.value.mistakes


@pytest.mark.parametrize(
    ("text", "key", "complaint"),
    [
        ('[grpc]\ntls_cert_file = "c"', "grpc", "tls_cert_file and tls_key_file belong together"),
        ('[admin]\ntls_key_file = "k"', "admin", "tls_cert_file and tls_key_file belong together"),
        ('[admin]\nclient_ca_file = "ca"', "admin", "client_ca_file needs tls_cert_file"),
        ('[mtls]\nport = 50053\ncert_file = "c"', "mtls", "needs key_file, client_ca_file"),
        ('[oauth]\nissuer = "i"\njwks_file = "f"', "oauth", "audience is missing"),
        ('[oauth]\naudience = "a"', "oauth", "issuer is missing"),
        ('[oauth]\nissuer = "i"\naudience = "a"', "oauth", "exactly one of jwks_url and jwks_file"),
        (
            '[oauth]\nissuer = "i"\naudience = "a"\njwks_url = "https://x"\njwks_file = "f"',
            "oauth",
            "exactly one of jwks_url and jwks_file",
        ),
        ('[oauth]\nissuer = "i"\naudience = "a"\njwks_url = "http://id.example.vn/k"', "oauth", "must be https"),
        ('[oauth]\nissuer = "i"\naudience = "a"\njwks_url = "ftp://127.0.0.1/k"', "oauth", "must be https"),
        ('[oauth]\nalgorithms = ["HS256"]', "oauth.algorithms.0", "Input should be"),
        ('[oauth]\nalgorithms = ["none"]', "oauth.algorithms.0", "Input should be"),
        ("[oauth]\nleeway_seconds = 3600", "oauth.leeway_seconds", "less than or equal to 300"),
        ("[login]\nfailures = 0", "login.failures", "greater than or equal to 1"),
    ],
)
def test_a_door_that_would_stand_open_or_shut_is_a_mistake(tmp_path: Path, text: str, key: str, complaint: str) -> None:
    """Found by `dancu check-config`, not by the first stranger."""
    assert any(line.startswith(f"{key}: ") and complaint in line for line in mistakes(tmp_path, text))


def test_keys_may_come_in_clear_from_this_machine_only() -> None:
    """A sidecar that fetches them is a usual arrangement."""
    assert OauthSettings(issuer="i", audience="a", jwks_url="http://127.0.0.1:9000/jwks").enabled


def test_every_way_but_keys_is_off_by_default() -> None:
    """What nobody set up must let nobody in."""
    settings = Settings()
    assert settings.mtls.port is None
    assert not settings.oauth.enabled
    assert "mtls" not in [one.setting for one in plan.ports_of(settings)]


def test_the_mutual_tls_port_is_reserved_for_all_workers(tmp_path: Path) -> None:
    """It is shared like the public one, and a port taken by another program is told before anything starts."""
    files: dict[str, Any] = {name: tmp_path / name for name in ("cert_file", "key_file", "client_ca_file")}
    settings = Settings(mtls=MutualTlsSettings(port=50053, **files))
    (wanted,) = [one for one in plan.ports_of(settings) if one.setting == "mtls"]
    assert (wanted.port, wanted.shared) == (50053, True)
