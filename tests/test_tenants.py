"""Credentials become partitions; nothing crosses them unless a namespace is shared."""

from __future__ import annotations

import pytest

from semcache.errors import InvalidRequest, NotAllowed
from semcache.policy import Namespace, ServiceKey
from semcache.tenants import Tenants, credential_of

ALICE = (("x-api-key", "alice-key"),)
BOB = (("authorization", "Bearer bob-key"),)


def test_each_credential_has_a_partition_of_its_own() -> None:
    tenants = Tenants(b"secret")
    assert tenants.admit(ALICE).partition != tenants.admit(BOB).partition


def test_both_credential_headers_name_the_same_caller() -> None:
    tenants = Tenants(b"secret")
    assert tenants.admit(ALICE) == tenants.admit((("authorization", "bearer alice-key"),))


def test_partitions_hold_no_credential_and_depend_on_the_secret() -> None:
    caller = Tenants(b"secret").admit(ALICE)
    assert "alice" not in repr(caller)
    assert caller.partition != Tenants(b"other").admit(ALICE).partition


def test_a_shared_namespace_is_one_partition_and_keeps_provenance_apart() -> None:
    tenants = Tenants(b"secret", namespaces={"team": Namespace(shared=True)})
    alice, bob = tenants.admit(ALICE, namespace="team"), tenants.admit(BOB, namespace="team")
    assert alice.partition == bob.partition
    assert alice.credential != bob.credential
    assert tenants.admit(ALICE).partition != alice.partition


def test_where_service_keys_exist_strangers_are_turned_away() -> None:
    tenants = Tenants(b"secret", keys=(ServiceKey("alice", "alice-key"),))
    assert tenants.admit(ALICE).label == "alice"
    with pytest.raises(NotAllowed) as refusal:
        tenants.admit(BOB)
    assert not refusal.value.authenticated


def test_a_namespace_with_members_is_closed_to_others() -> None:
    keys = (ServiceKey("alice", "alice-key"), ServiceKey("bob", "bob-key"))
    tenants = Tenants(b"secret", keys=keys, namespaces={"hr": Namespace(shared=True, members=("alice",))})
    assert tenants.admit(ALICE, namespace="hr").label == "alice"
    with pytest.raises(NotAllowed, match="may not use the namespace hr"):
        tenants.admit(BOB, namespace="hr")


def test_service_keys_never_go_upstream() -> None:
    keyed = Tenants(b"secret", keys=(ServiceKey("alice", "alice-key"),))
    assert keyed.forwarded((*ALICE, ("anthropic-beta", "b"))) == (("anthropic-beta", "b"),)
    assert Tenants(b"secret").forwarded(ALICE) == ALICE


def test_x_api_key_wins_over_a_bearer_token() -> None:
    assert credential_of((*BOB, *ALICE)) == "alice-key"


@pytest.mark.parametrize("name", ["x" * 129, "a\nb"])
def test_an_odd_namespace_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match="x-semcache-namespace"):
        Tenants(b"secret").admit(ALICE, namespace=name)
