"""What roles grant: patterns, conditions, relations, fields, denials; lists and single records agree."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brickwork.auth import Grant, Role
from brickwork.auth.condition import compile_condition
from brickwork.auth.policy import covers
from brickwork.errors import DefinitionError, ExpressionError, NotFoundError, PermissionDeniedError, UnauthenticatedError

READ = "entities.patient.read"


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("entities.patient.read", "entities.patient.read", True),
        ("entities.patient.read", "entities.patient.update", False),
        ("entities.*.read", "entities.patient.read", True),
        ("entities.*.read", "entities.patient.update", False),
        ("entities.*", "entities.patient.read", True),
        ("entities.*", "entities", False),
        ("*", "anything.at.all", True),
        ("entities.patient", "entities.patient.read", False),
        ("ent*", "entities.patient.read", False),
    ],
)
def test_a_pattern_covers_what_it_says(pattern, name, expected):
    assert covers(pattern, name) is expected


def test_without_a_grant_nothing_is_allowed(tenant, member):
    record = tenant.entities.create("patient", {"name": "Okafor"})
    kim = member()
    with tenant.auth.acting_as(kim):
        for deed in (
            lambda: tenant.entities.get("patient", record.id),
            lambda: tenant.entities.query("patient"),
            lambda: tenant.entities.count("patient"),
            lambda: tenant.entities.get_many("patient", [record.id]),
            lambda: tenant.entities.create("patient", {"name": "x"}),
            lambda: tenant.entities.update("patient", record.id, {"name": "x"}),
            lambda: tenant.entities.delete("patient", record.id),
            lambda: tenant.entities.restore("patient", record.id),
            lambda: tenant.entities.purge("patient", record.id),
            lambda: tenant.entities.history("patient", record.id),
            lambda: tenant.entities.rekey("patient"),
            lambda: tenant.entities.bulk.create_many("patient", [{"name": "x"}]),
            lambda: tenant.entities.bulk.update_many("patient", [(record.id, {"name": "x"})]),
            lambda: tenant.entities.duplicates.merge("patient", record.id, record.id),
            lambda: tenant.entities.relations.links(record.ref),
            lambda: tenant.entities.relations.subtree(record.ref),
            lambda: tenant.entities.types.list(),
            lambda: tenant.entities.types.apply({"name": "x", "fields": {}}),
            lambda: tenant.entities.share("patient", record.id, kim),
            lambda: tenant.auth.members.list(),
            lambda: tenant.auth.roles.define(Role(name="all", grants=[Grant(allow=["*"])])),
            lambda: tenant.auth.roles.assign("administrator", kim),
            lambda: tenant.auth.groups.create("theatre"),
            lambda: tenant.auth.services.create("robot"),
            lambda: tenant.jobs.list(),
            lambda: tenant.jobs.schedules.list(),
            lambda: tenant.messaging.dead.list(),
            lambda: tenant.flags.override("x", "on", reason="y"),
            lambda: tenant.realtime.tickets.give("tab"),
        ):
            with pytest.raises((PermissionDeniedError, NotFoundError)):
                deed()
    assert tenant.entities.get("patient", record.id).data == {"name": "Okafor"}
    assert tenant.entities.count("patient") == 1


def test_a_condition_holds_for_the_record_and_the_list(tenant, member):
    icu = tenant.entities.create("patient", {"name": "Ada", "ward": "icu"})
    other = tenant.entities.create("patient", {"name": "Bob", "ward": "er"})
    kim = member({"allow": [READ], "when": "resource.ward == actor.attributes.ward"}, attributes={"ward": "icu"})
    with tenant.auth.acting_as(kim):
        assert [record.id for record in tenant.entities.query("patient").items] == [icu.id]
        assert tenant.entities.count("patient") == 1
        assert tenant.entities.get("patient", icu.id).id == icu.id
        assert tenant.entities.get_many("patient", [icu.id, other.id]).keys() == {icu.id}
        with pytest.raises(NotFoundError):
            tenant.entities.get("patient", other.id)


def test_a_denial_is_stronger_and_what_cant_be_told_is_denied(tenant, member):
    old = tenant.entities.create("patient", {"name": "Ada", "age": 80})
    young = tenant.entities.create("patient", {"name": "Bob", "age": 8})
    unknown = tenant.entities.create("patient", {"name": "Cyd"})
    kim = member({"allow": ["entities.*"]}, {"deny": [READ], "when": "resource.age < 18"})
    with tenant.auth.acting_as(kim):
        assert [record.id for record in tenant.entities.query("patient").items] == [old.id]
        for hidden in (young, unknown):
            with pytest.raises(NotFoundError):
                tenant.entities.get("patient", hidden.id)


def test_nobody_moves_a_record_out_of_or_into_their_reach(tenant, member):
    icu = tenant.entities.create("patient", {"name": "Ada", "ward": "icu"})
    kim = member(
        {"allow": [READ, "entities.patient.update", "entities.patient.create"], "when": "resource.ward == 'icu'"},
    )
    with tenant.auth.acting_as(kim):
        tenant.entities.update("patient", icu.id, {"age": 3})
        with pytest.raises(PermissionDeniedError):
            tenant.entities.update("patient", icu.id, {"ward": "er"})
        with pytest.raises(PermissionDeniedError):
            tenant.entities.create("patient", {"name": "Bob", "ward": "er"})
        assert tenant.entities.create("patient", {"name": "Bob", "ward": "icu"}).data["ward"] == "icu"
    assert tenant.entities.get("patient", icu.id).data["ward"] == "icu"


def test_a_grant_may_say_what_holds_after_a_change(tenant, member):
    ada = tenant.entities.create("patient", {"name": "Ada", "discharged": False})
    kim = member(
        {"allow": [READ, "entities.patient.create"]},
        {"allow": ["entities.patient.update"], "when": "!resource.discharged", "then": "resource.ward != 'er'"},
    )
    with tenant.auth.acting_as(kim):
        with pytest.raises(PermissionDeniedError):
            tenant.entities.update("patient", ada.id, {"ward": "er"})
        assert tenant.entities.update("patient", ada.id, {"discharged": True, "ward": "icu"}).version == 2
        with pytest.raises(PermissionDeniedError):
            tenant.entities.update("patient", ada.id, {"discharged": False})
    with pytest.raises(DefinitionError, match=r"grants\.0\.then"):
        tenant.auth.roles.define(Role(name="x", grants=[Grant(allow=[READ], then="nobody.knows")]))


def test_fields_that_may_not_be_seen_are_not_shown_not_searched_and_not_set(tenant, member):
    ada = tenant.entities.create("patient", {"name": "Ada", "diagnosis": "flu", "age": 3})
    kim = member({"allow": [READ, "entities.patient.update"], "fields": ["name", "age"]})
    with tenant.auth.acting_as(kim):
        assert tenant.entities.get("patient", ada.id).data == {"name": "Ada", "age": 3}
        assert tenant.entities.query("patient").items[0].data == {"name": "Ada", "age": 3}
        assert tenant.entities.query("patient", fields=["name", "diagnosis"]).items[0].data == {"name": "Ada"}
        for deed in (
            lambda: tenant.entities.query("patient", {"diagnosis": "flu"}),
            lambda: tenant.entities.query("patient", {"or": [{"not": {"diagnosis": "flu"}}]}),
            lambda: tenant.entities.query("patient", sort=["-diagnosis"]),
            lambda: tenant.entities.count("patient", {"diagnosis": {"starts_with": "f"}}),
            lambda: tenant.entities.update("patient", ada.id, {"diagnosis": "none"}),
            lambda: tenant.entities.history("patient", ada.id),
        ):
            with pytest.raises(PermissionDeniedError):
                deed()
        assert tenant.entities.update("patient", ada.id, {"age": 4}).data == {"name": "Ada", "age": 4}
    assert tenant.entities.get("patient", ada.id).data["diagnosis"] == "flu"


def test_a_denied_field_is_left_out_of_what_all_else_allows(tenant, member):
    ada = tenant.entities.create("patient", {"name": "Ada", "diagnosis": "flu"})
    kim = member({"allow": ["*"]}, {"deny": [READ], "fields": ["diagnosis"]})
    with tenant.auth.acting_as(kim):
        assert tenant.entities.get("patient", ada.id).data == {"name": "Ada"}
        assert tenant.entities.query("patient").items[0].data == {"name": "Ada"}


def test_relations_owner_team_shared_and_linked(tenant, member):
    surgeon = tenant.entities.create("surgeon", {"name": "Ito"})
    grants = [{"allow": ["entities.patient.create"]}]
    ann = member(*grants, name="ann")
    with tenant.auth.acting_as(ann):
        of_ann = tenant.entities.create("patient", {"name": "of Ann"})
    shared = tenant.entities.create("patient", {"name": "shared"})
    operated = tenant.entities.create("patient", {"name": "operated"})
    tenant.entities.create("patient", {"name": "nobody's"})
    tenant.entities.relations.link(operated.ref, "surgeon", surgeon.ref)

    def seen(relation, name, **more):
        kim = member({"allow": [READ, "entities.patient.create"], "related": [relation]}, name=name, **more)
        if relation == "team":
            tenant.auth.groups.create("theatre")
            tenant.auth.groups.add("theatre", kim)
            tenant.auth.groups.add("theatre", ann)
        if relation == "shared":
            tenant.entities.share("patient", shared.id, kim)
        with tenant.auth.acting_as(kim):
            if relation == "owner":
                tenant.entities.create("patient", {"name": "own"})
            found = tenant.entities.query("patient").items
            for record in found:
                assert tenant.entities.get("patient", record.id).id == record.id
            for hidden in {of_ann.id, shared.id, operated.id} - {record.id for record in found}:
                with pytest.raises(NotFoundError):
                    tenant.entities.get("patient", hidden)
            return [record.data["name"] for record in found]

    assert seen("owner", "kim") == ["own"]
    assert seen("team", "lea") == ["of Ann"]
    assert seen("shared", "max") == ["shared"]
    assert seen("linked.patient.surgeon", "ito", person=str(surgeon.ref)) == ["operated"]


def test_a_share_has_a_level_an_end_and_may_go_to_a_group(make_platform, frozen_clock):
    from datetime import timedelta

    from .conftest import PATIENT, SURGEON

    platform = make_platform(clock=frozen_clock)
    with platform.context(tenant="alpha", actor="setup"):
        platform.entities.types.apply(SURGEON)
        platform.entities.types.apply(PATIENT)
        record = platform.entities.create("patient", {"name": "Ada"})
        kim = platform.auth.users.create("kim@example.org", "Kim")
        platform.auth.roles.define(
            Role(name="guest", grants=[Grant(allow=[READ, "entities.patient.update"], related=["shared"])])
        )
        platform.auth.members.add(kim, roles=["guest"])
        platform.auth.groups.create("theatre")
        platform.auth.groups.add("theatre", kim.actor)
        platform.entities.share("patient", record.id, "group:theatre", until=frozen_clock.now() + timedelta(hours=1))
        with platform.auth.acting_as(kim.actor):
            assert platform.entities.count("patient") == 1
            with pytest.raises(PermissionDeniedError):
                platform.entities.update("patient", record.id, {"name": "x"})
        frozen_clock.advance(hours=2)
        with platform.auth.acting_as(kim.actor):
            assert platform.entities.count("patient") == 0
        platform.entities.share("patient", record.id, kim.actor, level="write")
        with platform.auth.acting_as(kim.actor):
            assert platform.entities.update("patient", record.id, {"name": "Eve"}).data == {"name": "Eve"}
        platform.entities.unshare("patient", record.id, kim.actor)
        assert [share[0] for share in platform.entities.shares("patient", record.id)] == ["group:theatre"]
        with platform.auth.acting_as(kim.actor), pytest.raises(NotFoundError):
            platform.entities.get("patient", record.id)


def test_neighbours_that_may_not_be_seen_are_left_out(tenant, member):
    surgeon = tenant.entities.create("surgeon", {"name": "Ito"})
    for name, ward in (("Ada", "icu"), ("Bob", "er")):
        patient = tenant.entities.create("patient", {"name": name, "ward": ward})
        tenant.entities.relations.link(patient.ref, "surgeon", surgeon.ref)
    kim = member({"allow": ["entities.surgeon.read"]}, {"allow": [READ], "when": "resource.ward == 'icu'"})
    with tenant.auth.acting_as(kim):
        assert len(tenant.entities.relations.subtree(surgeon.ref, direction="in")) == 1
        assert len(tenant.entities.relations.links(surgeon.ref, direction="in").items) == 1
        with pytest.raises(PermissionDeniedError):
            tenant.entities.relations.unlink(patient.ref, "surgeon", surgeon.ref)
    assert len(tenant.entities.relations.subtree(surgeon.ref, direction="in")) == 2


def test_roles_inherit_and_a_change_counts_at_once(tenant, member):
    kim = member()
    tenant.auth.roles.define({"name": "base", "grants": [{"allow": [READ]}]})
    tenant.auth.roles.define({"name": "nurse", "inherits": ["base"]})
    assert not tenant.auth.allows(READ, subject=kim)
    tenant.auth.roles.assign("nurse", kim)
    assert tenant.auth.allows(READ, subject=kim)
    tenant.auth.roles.define({"name": "base", "grants": [{"allow": ["entities.surgeon.read"]}]})
    assert not tenant.auth.allows(READ, subject=kim)
    tenant.auth.roles.withdraw("nurse", kim)
    assert not tenant.auth.allows("entities.surgeon.read", subject=kim)


def test_a_role_ends_when_it_was_given_until(make_platform, frozen_clock):
    from datetime import timedelta

    platform = make_platform(clock=frozen_clock)
    with platform.context(tenant="alpha", actor="setup"):
        subject = platform.auth.services.create("robot")
        platform.auth.roles.assign("administrator", subject, until=frozen_clock.now() + timedelta(hours=1))
        assert platform.auth.allows("jobs.read", subject=subject)
        frozen_clock.advance(hours=2)
        assert not platform.auth.allows("jobs.read", subject=subject)


def test_a_change_in_one_process_is_heard_of_in_another(platform, make_platform):
    from time import monotonic, sleep

    with platform.context(tenant="alpha", actor="setup"):
        subject = platform.auth.services.create("robot")
    other = make_platform(database=platform.settings.database.model_dump(exclude_none=True))
    with other.context(tenant="alpha", actor="setup"):
        assert not other.auth.allows("jobs.read", subject=subject)
    with platform.context(tenant="alpha", actor="setup"):
        platform.auth.roles.assign("administrator", subject)
    deadline = monotonic() + 20
    with other.context(tenant="alpha", actor="setup"):
        while not other.auth.allows("jobs.read", subject=subject):
            assert monotonic() < deadline
            sleep(0.01)


def test_tenants_dont_share_roles_or_members(tenant, member):
    kim = member({"allow": ["*"]})
    with tenant.context(tenant="beta", actor="setup"):
        with pytest.raises(UnauthenticatedError):
            tenant.auth.access(kim)
        assert [role.name for role in tenant.auth.roles.list()] == ["administrator"]


def test_tenants_define_their_own_permissions(tenant, member):
    with pytest.raises(DefinitionError, match=r"reports\.sales\.read"):
        tenant.auth.roles.define({"name": "seller", "grants": [{"allow": ["reports.sales.read"]}]})
    tenant.auth.roles.define_permission("reports.sales.read", "See sales")
    kim = member({"allow": ["reports.sales.read"]})
    with tenant.auth.acting_as(kim):
        tenant.require("reports.sales.read")
        with pytest.raises(PermissionDeniedError):
            tenant.require("reports.sales.write")


def test_nobody_gives_away_what_they_dont_have(tenant, member):
    kim = member({"allow": ["auth.*", READ]})
    tenant.auth.roles.define({"name": "conditional", "grants": [{"allow": ["entities.surgeon.read"]}]})
    other = member(name="ann")
    with tenant.auth.acting_as(kim):
        tenant.auth.roles.define({"name": "reader", "grants": [{"allow": [READ]}]})
        tenant.auth.roles.assign("reader", other)
        for deed in (
            lambda: tenant.auth.roles.assign("administrator", kim),
            lambda: tenant.auth.roles.assign("conditional", kim),
            lambda: tenant.auth.roles.define({"name": "all", "grants": [{"allow": ["*"]}]}),
            lambda: tenant.auth.roles.define({"name": "wide", "grants": [{"allow": ["entities.*"]}]}),
            lambda: tenant.auth.roles.define({"name": "heir", "inherits": ["administrator"]}),
            lambda: tenant.auth.services.create("robot", roles=["administrator"]),
            lambda: tenant.auth.members.invite("eve@example.org", roles=["administrator"]),
        ):
            with pytest.raises(PermissionDeniedError):
                deed()
    assert not tenant.auth.allows("jobs.read", subject=kim)


def test_a_role_that_makes_no_sense_is_refused(tenant):
    for role, told in (
        ({"name": "x", "grants": [{}]}, "either allows or denies"),
        ({"name": "x", "grants": [{"allow": ["jobs.read"], "deny": ["jobs.read"]}]}, "either allows or denies"),
        ({"name": "x", "grants": [{"allow": ["jobs read"]}]}, "names no permissions"),
        ({"name": "x", "inherits": ["nowhere"]}, "no role 'nowhere'"),
        ({"name": "X"}, "pattern"),
        ({"name": "x", "grants": [{"allow": ["jobs.read"], "when": "1 +"}]}, "does not compile"),
        ({"name": "x", "grants": [{"allow": ["jobs.read"], "when": "secret == 1"}]}, "names secret"),
        ({"name": "x", "grants": [{"allow": [READ], "when": "size(resource.name) > 3"}]}, "guards reading"),
        ({"name": "x", "grants": [{"allow": ["*"], "when": "resource.name.startsWith('A')"}]}, "guards reading"),
        ({"name": "x", "grants": [{"allow": [READ], "related": ["friend"]}]}, "no relation"),
    ):
        with pytest.raises(DefinitionError, match=told):
            tenant.auth.roles.define(role)
    tenant.auth.roles.define({"name": "a"})
    tenant.auth.roles.define({"name": "b", "inherits": ["a"]})
    with pytest.raises(DefinitionError, match="inherit itself"):
        tenant.auth.roles.define({"name": "a", "inherits": ["b"]})


def test_who_is_no_subject_here_is_not_found_also_where_a_record_is_asked_about(tenant, member):
    ada = tenant.entities.create("patient", {"name": "Ada"})
    stranger = tenant.auth.users.create("stranger@example.org", "Stranger").actor
    for subject in (stranger, "service:nobody", "user:x", "nonsense"):
        with pytest.raises(NotFoundError, match="there is no"):
            tenant.entities.explain(subject, "read", "patient", ada.id)
    kim = member({"allow": ["entities.patient.read"]})
    with tenant.auth.acting_as(kim), pytest.raises(PermissionDeniedError, match=r"auth\.explain"):
        tenant.entities.explain(stranger, "read", "patient", ada.id)


def test_a_denial_is_explained(tenant, member):
    ada = tenant.entities.create("patient", {"name": "Ada", "ward": "er"})
    kim = member({"allow": [READ], "when": "resource.ward == 'icu'"}, {"allow": ["jobs.read"]}, {"deny": ["jobs.*"]})
    told = tenant.entities.explain(kim, "read", "patient", ada.id)
    assert (told.allowed, told.because) == (False, "no allowing grant applies")
    assert told.considered == ["role role-kim, grant 1, allows entities.patient.read when resource.ward == 'icu': "
                               "its condition does not hold"]  # fmt: skip
    told = tenant.auth.explain(kim, "jobs.read")
    assert not told.allowed
    assert told.because.startswith("role role-kim, grant 3, denies jobs.*")
    told = tenant.auth.explain(kim, "messaging.read")
    assert "none of the roles" in told.because
    with tenant.auth.acting_as(kim), pytest.raises(PermissionDeniedError):
        tenant.auth.explain(member(name="ann"), "jobs.read")


CONDITIONS = st.recursive(
    st.sampled_from(
        [
            "resource.ward == 'icu'", "'icu' != resource.ward", "resource.age < 18", "18 <= resource.age", "resource.age != 8",
            "resource.discharged", "resource.discharged == false", "resource.ward in ['icu', 'er']", "resource.ward in []",
            "resource.ward == actor.attributes.ward", "resource.ward == actor.attributes.none", "actor.attributes.level > 3",
            "resource.admitted < timestamp('2026-01-01T00:00:00Z')", "resource.admitted < timestamp('2026-01-01T07:00:00Z')",
            "resource.admitted >= timestamp('2026-01-01T07:00:00Z')", "resource.admitted != timestamp('2026-01-01T07:00:00Z')",
            "resource.admitted == timestamp('2026-01-01T00:00:00Z')", "resource.ward == null", "resource.gone == 1", "true",
        ]
    ),
    lambda inner: st.one_of(
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda parts: f"({parts[0]}) {parts[1]} ({parts[2]})"),
    ),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=CONDITIONS, denied=st.booleans())
def test_the_list_is_what_the_records_say_one_by_one(crowd, condition, denied):
    """The same condition is asked by CEL of each record and by the database of all."""
    platform, kim, ids = crowd
    grants = [Grant(allow=[READ]), Grant(deny=[READ], when=condition)] if denied else [Grant(allow=[READ], when=condition)]
    platform.auth.roles.define(Role(name="role-kim", grants=grants))
    with platform.auth.acting_as(kim):
        listed = {record.id for record in platform.entities.query("patient", limit=100).items}
        single = set()
        for id in ids:
            try:
                single.add(platform.entities.get("patient", id).id)
            except NotFoundError:
                continue
    assert listed == single


@pytest.fixture
def crowd(tenant, member):
    ids = [
        tenant.entities.create("patient", {"name": "x", **values}).id
        for values in (
            {}, {"ward": "icu"}, {"ward": "er", "age": 8}, {"ward": "icu", "age": 18}, {"age": 90}, {"discharged": True},
            {"discharged": False, "ward": "er"}, {"admitted": "2025-12-31"}, {"admitted": "2026-01-01", "ward": "icu"},
        )
    ]  # fmt: skip
    kim = member({"allow": [READ]}, attributes={"ward": "icu", "level": 2})
    return tenant, kim, ids


@pytest.mark.parametrize("text", ["resource.a + 1 == 2", "size(resource.a) > 1", "resource.a.b == 1", "resource.a == resource.b"])
def test_a_condition_that_has_no_filter_says_so(text):
    with pytest.raises(ExpressionError, match="guards reading"):
        compile_condition(text).check_filterable()


def test_a_mask_that_is_the_same_for_every_record_needs_none_of_them(tenant, member):
    """Alike in all allowances and denied under no condition; otherwise it is told of each record."""
    allowed = {"allow": [READ], "fields": ["name", "ward"]}
    masks = {
        "alike": [Grant(**allowed, when="resource.ward == 'icu'"), Grant(**allowed, when="resource.ward == 'er'")],
        "denied": [Grant(allow=[READ]), Grant(deny=[READ], fields=["ward"])],
        "unlike": [Grant(**allowed), Grant(allow=[READ], when="resource.ward == 'icu'")],
        "sometimes": [Grant(allow=[READ]), Grant(deny=[READ], fields=["ward"], when="resource.ward == 'icu'")],
    }
    found = {}
    for name, grants in masks.items():
        found[name] = tenant.auth.access(member(*grants, name=name)).uniform(READ)
    assert found["alike"].admitted == {"name", "ward"}
    assert (found["denied"].admitted, found["denied"].barred) == (None, {"ward"})
    assert (found["unlike"], found["sometimes"]) == (None, None)
