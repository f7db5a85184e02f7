"""The emulated KMS does what moto leaves out: its keys rotate, refuse and open as the vendor documents."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, KmsBackend, kms_backends

from lab.clouds.kms import KeyMaterials

ACCOUNT, REGION = "123456789012", "us-east-1"
CONTEXT = {"context": "7f"}
PLAIN = b"k" * 32


@pytest.fixture
def backend() -> KmsBackend:
    """moto's, of an account that only this file uses."""
    found: KmsBackend = kms_backends[ACCOUNT][REGION]
    found.keys.clear()
    return found


@pytest.fixture
def materials() -> KeyMaterials:
    """Of fresh keys."""
    return KeyMaterials()


def made(backend: KmsBackend, *, multi_region: bool = False) -> Key:
    """A symmetric key."""
    return backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None, multi_region=multi_region)


def code(error: pytest.ExceptionInfo[JsonRESTError]) -> str:
    """As the vendor spells it."""
    return str(error.value.error_type)


def test_a_rotation_changes_the_material_and_old_ciphertexts_open(backend: KmsBackend, materials: KeyMaterials) -> None:
    """The ARN stays."""
    key = made(backend)
    before, (old, arn) = materials.current(key).id, materials.encrypt(key, PLAIN, CONTEXT)
    materials.rotate(key)
    new, same = materials.encrypt(key, PLAIN, CONTEXT)
    assert same == arn == key.arn
    assert materials.current(key).id != before
    assert key.rotations[-1]["KeyMaterialId"] == materials.current(key).id
    for sealed in (old, new):
        assert materials.decrypt(backend, key, sealed, CONTEXT) == (PLAIN, key.arn)
        assert materials.decrypt(backend, None, sealed, CONTEXT) == (PLAIN, key.arn)


def test_a_material_is_told_by_its_name_only(backend: KmsBackend, materials: KeyMaterials) -> None:
    """64 hexadecimal digits, as the API's description has it; never the secret."""
    material = materials.current(made(backend))
    assert len(bytes.fromhex(material.id)) == 32
    assert repr(material.secret) not in repr(material)


@pytest.mark.parametrize("context", [{}, {"context": "7e"}, {"context7": "f"}, {**CONTEXT, "more": ""}])
def test_another_encryption_context_opens_nothing(
    backend: KmsBackend, materials: KeyMaterials, context: Mapping[str, str]
) -> None:
    """Also one whose names and values run together to the same text."""
    key = made(backend)
    sealed, _ = materials.encrypt(key, PLAIN, CONTEXT)
    with pytest.raises(JsonRESTError) as error:
        materials.decrypt(backend, key, sealed, context)
    assert code(error) == "InvalidCiphertextException"


@pytest.mark.parametrize("ciphertext", [b"", b"\x00", b"\xff", b"\x01" * 180, b"\x05abc/d"])
def test_what_is_no_ciphertext_is_invalid_or_of_another_key(
    backend: KmsBackend, materials: KeyMaterials, ciphertext: bytes
) -> None:
    """And never an error of the emulation's own."""
    with pytest.raises(JsonRESTError) as error:
        materials.decrypt(backend, made(backend), ciphertext, CONTEXT)
    assert code(error) in {"InvalidCiphertextException", "IncorrectKeyException"}


def test_a_ciphertext_of_another_key_is_told_as_such(backend: KmsBackend, materials: KeyMaterials) -> None:
    """When the request names a key; otherwise its own key opens it."""
    one, other = made(backend), made(backend)
    sealed, _ = materials.encrypt(one, PLAIN, CONTEXT)
    with pytest.raises(JsonRESTError) as error:
        materials.decrypt(backend, other, sealed, CONTEXT)
    assert code(error) == "IncorrectKeyException"
    assert materials.decrypt(backend, None, sealed, CONTEXT) == (PLAIN, one.arn)


@pytest.mark.parametrize(("change", "says"), [("disable", "DisabledException"), ("schedule", "KMSInvalidStateException")])
def test_a_key_that_is_not_enabled_does_nothing(backend: KmsBackend, materials: KeyMaterials, change: str, says: str) -> None:
    """It neither encrypts nor decrypts nor rotates, whether the request names it or the ciphertext does."""
    key = made(backend)
    sealed, _ = materials.encrypt(key, PLAIN, CONTEXT)
    if change == "disable":
        backend.disable_key(key.id)
    else:
        backend.schedule_key_deletion(key.id, 7)
    for attempt in (
        lambda: materials.encrypt(key, PLAIN, CONTEXT),
        lambda: materials.decrypt(backend, key, sealed, CONTEXT),
        lambda: materials.decrypt(backend, None, sealed, CONTEXT),
        lambda: materials.rotate(key),
    ):
        with pytest.raises(JsonRESTError) as error:
            attempt()
        assert code(error) == says


def test_a_replica_of_a_multi_region_key_opens_what_the_primary_wrapped(backend: KmsBackend, materials: KeyMaterials) -> None:
    """Its id has four letters more than others', for which moto's own form has no room."""
    key = made(backend, multi_region=True)
    sealed, _ = materials.encrypt(key, PLAIN, CONTEXT)
    replica = backend.replicate_key(key.id, "eu-west-1")
    elsewhere: KmsBackend = kms_backends[ACCOUNT]["eu-west-1"]
    assert materials.decrypt(elsewhere, replica, sealed, CONTEXT) == (PLAIN, replica.arn)


@pytest.mark.parametrize("size", [0, 4097])
def test_what_is_too_long_or_nothing_is_refused(backend: KmsBackend, materials: KeyMaterials, size: int) -> None:
    """KMS takes 4096 bytes."""
    with pytest.raises(JsonRESTError):
        materials.encrypt(made(backend), b"k" * size, CONTEXT)


def test_what_is_to_have_no_effect_has_none(backend: KmsBackend, materials: KeyMaterials) -> None:
    """States, rotations and keys are afterwards as they were."""
    key = made(backend)
    materials.rotate(key)
    before, names, rotations = materials.current(key), set(backend.keys), list(key.rotations)
    with materials.unchanged(ACCOUNT):
        materials.rotate(key)
        made(backend)
        backend.create_alias(key.id, "alias/new")
        backend.disable_key(key.id)
    assert (materials.current(key), set(backend.keys), key.rotations) == (before, names, rotations)
    assert (key.key_state, key.enabled, key.aliases) == ("Enabled", True, {})


def test_materials_of_two_keys_are_two(backend: KmsBackend, materials: KeyMaterials) -> None:
    """Or each would open the other's."""
    one, other = materials.current(made(backend)), materials.current(made(backend))
    assert one.secret != other.secret
    assert one != replace(one, id=other.id)
