"""Signed claims by C2PA (Content Credentials), with the extra `tlgan[c2pa]` and a key of one's own.

A folder that the environment variable TLGAN_C2PA names holds `key.pem` (PKCS#8: EC P-256, P-384 or P-521, RSA,
Ed25519) and `chain.pem` (the certificate of that key first, then those that vouch for it). Without the variable nothing
is signed; with it, a picture that can't be signed is an error. Nothing is sent anywhere: no time stamp is asked for, and
neither manifests nor revocations are looked up when a file is read.
"""

from __future__ import annotations

import datetime
import io
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tlgan.errors import TlganError
from tlgan.io.files import replacing

from .claim import Claim, software
from .containers import kind_of

VARIABLE = "TLGAN_C2PA"
KEY, CHAIN, AUTHORITY = "key.pem", "chain.pem", "authority.pem"
ASSERTION = "tlgan.claim"
MAX_ITEMS = 20  # actions and ingredients of a manifest that are told of
_OFFLINE: dict[str, Any] = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}


def available() -> bool:
    """Whether the library is here."""
    try:
        import c2pa  # noqa: F401
    except ImportError:
        return False
    return True


def signer() -> Signer | None:
    """The signer that the environment names, None where it names none. Raises TlganError for one that can't be used."""
    folder = os.environ.get(VARIABLE, "")
    if not folder:
        return None
    if not available():
        raise TlganError(f"{VARIABLE} is set, and signing needs the extra c2pa: pip install 'tlgan[c2pa]'")
    try:
        return _loaded(folder, *((Path(folder) / name).read_bytes() for name in (KEY, CHAIN)))
    except OSError as error:
        raise TlganError(
            f"{error.filename} can't be read ({error.strerror}): {VARIABLE} must name a folder with {KEY} and {CHAIN}, "
            "such as `tlgan make-key -o FOLDER` writes"
        ) from error


@lru_cache(maxsize=4)
def _loaded(folder: str, key: bytes, chain: bytes) -> Signer:
    return Signer(folder, key, chain, _algorithm(folder, key))


def _algorithm(folder: str, key: bytes) -> str:
    """COSE's name of how a private key signs."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise TlganError(f"{Path(folder) / KEY} is no private key in PEM without a password") from error
    if isinstance(loaded, ec.EllipticCurvePrivateKey) and loaded.curve.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[loaded.curve.key_size]
    if isinstance(loaded, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(loaded, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise TlganError(
        f"{Path(folder) / KEY} is no key that C2PA signs with: expected EC P-256, P-384, P-521, RSA, Ed25519"
    )


@dataclass(frozen=True)
class Signer:
    """A key and its chain of certificates, from one folder."""

    folder: str
    key: bytes
    chain: bytes
    algorithm: str

    def sign(self, data: bytes, mime: str, claim: Claim, parent: bytes | None = None) -> bytes:
        """A picture or film with a manifest that holds `claim`. Raises TlganError where the library refuses."""
        import c2pa

        settings = c2pa.Settings.from_dict(_OFFLINE)
        kind = kind_of(parent) if parent is not None else None
        signed = io.BytesIO()
        try:
            info = c2pa.C2paSignerInfo(self.algorithm.encode(), self.chain, self.key, None)
            with (
                c2pa.Context(settings) as context,
                c2pa.Signer.from_info(info) as signer,
                c2pa.Builder(json.dumps(_manifest(claim, named=kind is None)), context=context) as builder,
            ):
                if claim.made == "edited" and parent is not None and kind is not None:
                    builder.add_ingredient(json.dumps(_ingredient(claim)), kind.mime, io.BytesIO(parent))
                builder.sign(signer, mime, io.BytesIO(data), signed)
        except c2pa.C2paError as error:
            raise TlganError(f"this picture can't be signed with {self.folder}: {str(error)[:200]}") from error
        return signed.getvalue()


def _manifest(claim: Claim, *, named: bool) -> dict[str, Any]:
    """``named``: the photograph that was edited is told of by its sha256, since its file is not at hand."""
    name, _, version = software().partition(" ")
    agent = {"name": name, "version": version}
    done = {"digitalSourceType": claim.source_type, "softwareAgent": agent, "parameters": {"asked": claim.asked}}
    manifest: dict[str, Any] = {"claim_generator_info": [agent], "title": "picture"}
    if claim.made == "edited":
        opened = {"action": "c2pa.opened", "softwareAgent": agent, "parameters": {"ingredientIds": ["parent"]}}
        actions = [opened, {"action": "c2pa.edited", **done}]
        if named:
            manifest["ingredients"] = [_ingredient(claim)]
    else:
        actions = [{"action": "c2pa.created", **done}]
    manifest["assertions"] = [
        {"label": "c2pa.actions", "data": {"actions": actions}},
        {"label": ASSERTION, "data": claim.fields()},
    ]
    return manifest


def _ingredient(claim: Claim) -> dict[str, str]:
    """The photograph that was edited, as C2PA tells of it; its own manifest, where it has one, comes with its file."""
    known = {"label": "parent", "relationship": "parentOf", "title": "photograph"}
    return known | ({"instance_id": f"sha256:{claim.parent}"} if claim.parent else {})


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifest:
    """What a C2PA manifest says, from anyone.

    ``problems``: what does not hold, one line each; ``trusted``: the certificate leads to an authority that the person
    named; ``source_types``: IPTC addresses; ``signed_at``: only where a time stamp was there.
    """

    problems: tuple[str, ...]
    trusted: bool
    signer: str
    issuer: str
    program: str
    signed_at: str
    actions: tuple[str, ...]
    source_types: tuple[str, ...]
    parents: tuple[str, ...]


def read_manifest(data: bytes, mime: str | None, anchors: str | None = None) -> Manifest | None:
    """The manifest inside a file, None where there is none. ``anchors``: certificates in PEM that are trusted.

    Raises TlganError where the library is missing, and where it can't make sense of the file.
    """
    if not available():
        raise TlganError("it carries Content Credentials (C2PA), which the extra reads: pip install 'tlgan[c2pa]'")
    import c2pa

    settings = dict(_OFFLINE)
    if anchors is not None:
        settings["trust"] = {"user_anchors": anchors}
        settings["verify"] = settings["verify"] | {"verify_trust": True}
    try:
        with (
            c2pa.Context(c2pa.Settings.from_dict(settings)) as context,
            c2pa.Reader(mime, io.BytesIO(data), context=context) as reader,
        ):
            return _told(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return None
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        raise TlganError(f"its Content Credentials (C2PA) can't be read: {str(error)[:200]}") from error


def _told(store: Any) -> Manifest:
    active = _mapping(_mapping(store.get("manifests")).get(str(store.get("active_manifest"))))
    actions = [
        action
        for assertion in _list(active.get("assertions"))
        if str(assertion.get("label")).startswith("c2pa.actions")
        for action in _list(_mapping(assertion.get("data")).get("actions"))
    ]
    signature = _mapping(active.get("signature_info"))
    programs = [f"{one.get('name', '')} {one.get('version', '')}" for one in _list(active.get("claim_generator_info"))]
    state = str(store.get("validation_state"))
    wrong = [
        _text(one.get("explanation") or one.get("code"))
        for one in _list(store.get("validation_status"))
        if one.get("code") != "signingCredential.untrusted"
    ]
    if state not in ("Valid", "Trusted") and not wrong:
        wrong = [f"its validation ended as {_text(state)}"]
    return Manifest(
        problems=tuple(dict.fromkeys(wrong)) if state not in ("Valid", "Trusted") else (),
        trusted=state == "Trusted",
        signer=_text(signature.get("common_name")),
        issuer=_text(signature.get("issuer")),
        program=_text(programs[0] if programs else active.get("claim_generator")),
        signed_at=_text(signature.get("time")),
        actions=tuple(_text(action.get("action")).removeprefix("c2pa.") for action in actions),
        source_types=tuple(_text(kind) for action in actions if (kind := action.get("digitalSourceType"))),
        parents=tuple(
            _text(one.get("title")) for one in _list(active.get("ingredients")) if one.get("relationship") == "parentOf"
        ),
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value[:MAX_ITEMS] if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()[:200]


# -- a key of one's own ------------------------------------------------------------------------------------------------


def make_key(folder: str | Path, name: str) -> Path:
    """A key, a certificate for `name` and an authority of one's own that vouches for it, in a new or empty folder.

    `key.pem` (for its owner's eyes only), `chain.pem`, and `authority.pem` for those who want to trust it. The
    authority's own key is thrown away: it vouches for this one certificate, for five years. Raises TlganError.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError as error:
        raise TlganError("making a key needs the extra c2pa: pip install 'tlgan[c2pa]'") from error
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TlganError(f"{folder} is there already: name a new or empty folder, so that no key is lost")
    if not 1 <= len(name) <= 64:
        raise TlganError(f"the name in a certificate has 1 to 64 characters, {len(name)} were given")
    now = datetime.datetime.now(datetime.UTC)
    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = [
        x509.Name(
            [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name), x509.NameAttribute(NameOID.COMMON_NAME, common)]
        )
        for common in (f"{name[:54]} authority", name)
    ]

    def certificate(subject: Any, key: Any, is_authority: bool) -> Any:
        usage = dict.fromkeys(_USAGES, False) | ({"key_cert_sign": True, "crl_sign": True} if is_authority else {})
        usage |= {} if is_authority else {"digital_signature": True}
        builder = (
            x509.CertificateBuilder(names[0], subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=5 * 365))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )
        if not is_authority:  # what C2PA's profile of certificates asks for
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
            )
        return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM)

    anchor = certificate(names[0], authority, True)
    files = {
        KEY: own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        CHAIN: certificate(names[1], own, False) + anchor,
        AUTHORITY: anchor,
    }
    for file, content in files.items():
        with replacing(folder / file) as temporary:
            if file == KEY:
                temporary.chmod(0o600)
            temporary.write_bytes(content)
    return folder


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign",
    "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
