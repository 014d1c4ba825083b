from __future__ import annotations

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from apps.accounts.services.users import system_user_get
from apps.audit.models import AuditLog
from apps.maintenance.choices import PartMovementKind, StockState
from apps.maintenance.exceptions import InsufficientStockError, TaskStateError
from apps.maintenance.models import (
    MaintenanceTask,
    Part,
    PartMovement,
    PartStock,
    TaskPart,
)
from apps.maintenance.models.parts import stock_state
from apps.maintenance.selectors.parts import quantity_text, stock_search
from apps.maintenance.services.part_movements import part_movement_create
from apps.maintenance.services.parts import (
    part_create,
    part_stock_create,
    part_stock_update,
    part_update,
)
from apps.maintenance.services.tasks import (
    task_cancel,
    task_complete,
    task_create,
    task_start,
    task_update,
)
from apps.organizations.exceptions import FacilityInUseError
from apps.organizations.services.facilities import facility_delete
from apps.robots.services.purge import robot_purge, robot_purge_run
from apps.robots.services.robots import robot_retire
from tests.support.concurrency import run_concurrently
from urfmp.common.tenancy.context import Actor, tenant_transaction


@pytest.fixture
def make_stock(tenant, make_facility):
    """Return a function that creates a part with a stock in a facility of its own."""

    def make(organization, quantity=0, *, number="B-7", **fields):
        facility = make_facility(organization, f"Hall of {number}")
        with tenant(organization):
            part = part_create(
                organization_id=organization.id, number=number, **{"name": "Belt", **fields}
            )
            stock = part_stock_create(
                organization_id=organization.id,
                part=part,
                facility=facility,
                storage_location="Cabinet 3",
            )
            if quantity:
                move(stock, "receive", quantity)
            stock.refresh_from_db()
        return stock

    return make


@pytest.fixture
def make_task(tenant):
    def make(organization, **fields):
        with tenant(organization):
            return task_create(
                organization_id=organization.id,
                created_by=system_user_get(organization_id=organization.id),
                **{"title": "Grease", "type": "lubrication", **fields},
            )

    return make


def move(stock, kind, quantity, task=None, reason=None):
    return part_movement_create(
        stock=stock, kind=kind, quantity=Decimal(str(quantity)), task=task, reason=reason
    )


def test_use_takes_stock_and_fills_parts_used(organization_a, make_stock, make_task, tenant, alice):
    stock = make_stock(organization_a, 5, unit_cost=Decimal("19.50"))
    task = make_task(organization_a, parts_used=[{"name": "Rag"}, {"part": "X", "name": "Tape"}])
    with tenant(organization_a):
        move(stock, "use", 2, task)
        part_update(stock.part, unit_cost=Decimal(30))
        movement = move(stock, "use", 1, task)
        stock.refresh_from_db()
        task.refresh_from_db()
        assert (stock.quantity, movement.quantity_after) == (2, 2)
        used = {"part": "B-7", "name": "Belt", "quantity": 3, "unit_cost": 19.5}
        others = [{"name": "Rag"}, {"part": "X", "name": "Tape"}]
        assert task.parts_used == [used, *others]
        # A client that replaces the list cannot change what came from the stock.
        task = task_update(task, parts_used=[{"part": "B-7", "name": "None"}, {"name": "Oil"}])
        assert task.parts_used == [used, {"name": "Oil"}]
        move(stock, "return", 3, task)
        task.refresh_from_db()
        stock.refresh_from_db()
        assert (task.parts_used, stock.quantity) == ([{"name": "Oil"}], 5)
        actions = set(
            AuditLog.objects.filter(resource_id=stock.pk).values_list("action", flat=True)
        )
        assert actions == {
            "maintenance.part_stock.create", "maintenance.part.receive", "maintenance.part.use",
            "maintenance.part.return",
        }  # fmt: skip


def test_reservation_is_kept_for_its_task_and_released_when_it_closes(
    organization_a, make_stock, make_task, tenant
):
    stock = make_stock(organization_a, 3)
    first, second = make_task(organization_a), make_task(organization_a)
    with tenant(organization_a):
        move(stock, "reserve", 2, first)
        with pytest.raises(InsufficientStockError, match="1 pcs of B-7 is available"):
            move(stock, "use", 2, second)
        with pytest.raises(InsufficientStockError, match="None of B-7 are reserved by this task"):
            move(stock, "release", 1, second)
        with pytest.raises(InsufficientStockError, match="reserved by tasks"):
            move(stock, "count", 1, reason="Counted")
        move(stock, "use", 1, first)
        move(stock, "reserve", 1, second)
        stock.refresh_from_db()
        assert (stock.quantity, stock.reserved) == (2, 2)
        task_complete(task_start(first))
        task_cancel(second, "not needed")
        stock.refresh_from_db()
        assert (stock.quantity, stock.reserved) == (2, 0)
        assert not TaskPart.objects.filter(reserved__gt=0).exists()
        with pytest.raises(TaskStateError, match="only returns parts"):
            move(stock, "use", 1, first)
        move(stock, "return", 1, first)
        stock.refresh_from_db()
        assert stock.quantity == 3


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "steal"}, "kind"),
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal(-1)}, "quantity"),
        ({"quantity": Decimal("NaN")}, "quantity"),
        ({"quantity": Decimal("Infinity")}, "quantity"),
        ({"quantity": Decimal("0.0001")}, "quantity"),
        ({"quantity": Decimal("1e400")}, "quantity"),
        ({"quantity": Decimal(999_999)}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"kind": "use"}, "task"),
        ({"task": "own"}, "task"),
        ({"kind": "use", "task": "foreign"}, "task"),
        ({"kind": "count"}, "reason"),
        ({"reason": "x" * 1001}, "reason"),
        ({"reason": "\u200b"}, "reason"),
    ],
)
def test_invalid_movement_is_rejected(
    organization_a, organization_b, make_stock, make_task, tenant, wrong, field
):
    stock = make_stock(organization_a, 5)
    tasks = {"own": make_task(organization_a), "foreign": make_task(organization_b)}
    values = {"kind": "receive", "quantity": Decimal(2), **wrong}
    values["task"] = tasks.get(values.get("task"))
    with tenant(organization_a):
        with pytest.raises(ValidationError) as raised:
            part_movement_create(stock=stock, **values)
        assert set(raised.value.message_dict) == {field}
        stock.refresh_from_db()
        assert stock.quantity == 5
        assert PartMovement.objects.count() == 1


def test_inactive_part_is_neither_received_nor_reserved_but_used(
    organization_a, make_stock, make_task, tenant
):
    stock, task = make_stock(organization_a, 5), make_task(organization_a)
    with tenant(organization_a):
        part_update(stock.part, is_active=False)
        for kind, given in (("receive", None), ("reserve", task)):
            with pytest.raises(ValidationError, match="inactive"):
                move(stock, kind, 1, given)
        with pytest.raises(ValidationError, match="inactive"):
            part_stock_create(
                organization_id=organization_a.id,
                part=stock.part,
                facility=stock.facility,
                storage_location="Other",
            )
        move(stock, "use", 1, task)


def test_catalogue_rejects_duplicates_and_foreign_references(
    organization_a, organization_b, make_stock, make_facility, tenant
):
    stock = make_stock(organization_a)
    foreign = make_facility(organization_b, "Foreign")
    other_hall = make_facility(organization_a, "Other hall")
    with tenant(organization_a):
        with pytest.raises(ValidationError, match="number already exists"):
            part_create(organization_id=organization_a.id, number="B-7", name="Other")
        with pytest.raises(ValidationError) as raised:
            part_create(organization_id=organization_a.id, number="", name="", unit_cost=-1)
        assert set(raised.value.message_dict) == {"number", "name", "unit_cost"}
        common = {"organization_id": organization_a.id, "part": stock.part}
        with pytest.raises(ValidationError, match="already has a stock"):
            part_stock_create(facility=stock.facility, storage_location=" Cabinet  3 ", **common)
        with pytest.raises(ValidationError, match="Facility not found"):
            part_stock_create(facility=foreign, storage_location="A", **common)
        moved = part_stock_update(stock, facility=other_hall, storage_location="Shelf 1")
        assert (moved.facility, moved.storage_location) == (other_hall, "Shelf 1")


def test_facility_with_parts_cannot_be_deleted(organization_a, make_stock, tenant):
    stock = make_stock(organization_a)
    with (
        tenant(organization_a),
        pytest.raises(FacilityInUseError, match="parts"),
        transaction.atomic(),
    ):
        facility_delete(stock.facility)


def test_purged_robot_leaves_movements_and_frees_its_reservations(
    organization_a, make_stock, make_task, make_robot, tenant
):
    robot = make_robot(organization_a)
    stock, task = make_stock(organization_a, 5), make_task(organization_a, robot=robot)
    with tenant(organization_a):
        task_start(task)
        move(stock, "use", 1, task)
        move(stock, "reserve", 2, task)
        robot_retire(robot)
    with tenant(organization_a):
        robot_purge(robot, name=robot.name)
    assert robot_purge_run(organization_id=organization_a.pk, robot_id=robot.pk, actor=Actor())
    with tenant(organization_a):
        stock.refresh_from_db()
        assert (stock.quantity, stock.reserved) == (4, 0)
        assert not MaintenanceTask.objects.exists()
        assert not TaskPart.objects.exists()
        kinds = set(PartMovement.objects.values_list("kind", "task_id"))
        assert kinds == {(kind, None) for kind in ("receive", "use", "reserve", "release")}


def test_low_stock_counts_all_places_without_reservations(
    organization_a, make_stock, make_task, tenant, alice
):
    low = make_stock(organization_a, 4, number="L", minimum_quantity=Decimal(3))
    make_stock(organization_a, 0, number="N")
    make_stock(organization_a, 0, number="I", minimum_quantity=Decimal(1), is_active=True)
    task = make_task(organization_a)
    with tenant(organization_a):
        assert [part.number for part in Part.objects.low_stock()] == ["I"]
        move(low, "reserve", 2, task)
        assert [part.number for part in Part.objects.low_stock()] == ["I", "L"]
        part = Part.objects.with_totals().get(number="L")
        assert (part.on_hand, part.reserved, part.available) == (4, 2, 2)
        assert stock_state(part.on_hand, part.available, part.minimum_quantity) == StockState.LOW
        part_stock_update(low, storage_location="Other")
        found = stock_search(alice, "belt OTHER")
        assert found == [low]
        assert stock_search(alice, "belt nowhere") == []


def test_quantity_text_has_unit_without_trailing_zeros():
    part = Part(unit="kg")
    texts = [quantity_text(Decimal(value), part) for value in ("2.500", "100", "1000.000", "0.001")]
    assert texts == ["2.5 kg", "100 kg", "1,000 kg", "0.001 kg"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE part_stocks SET quantity = -1",
        "UPDATE part_stocks SET reserved = quantity + 1",
        "UPDATE part_movements SET quantity = 1",
        "DELETE FROM part_movements",
        "UPDATE parts SET unit_cost = -1",
    ],
)
def test_database_rejects(sql, organization_a, make_stock, tenant):
    make_stock(organization_a, 5)
    with tenant(organization_a), pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(sql)


def test_references_to_other_organization_are_rejected(
    organization_a, organization_b, make_stock, make_task, tenant
):
    own, foreign = make_stock(organization_a, 1), make_stock(organization_b, 1)
    task = make_task(organization_b)
    for table, column, value in (
        ("part_stocks", "part_id", foreign.part_id),
        ("part_stocks", "facility_id", foreign.facility_id),
    ):
        with tenant(organization_a), pytest.raises(DatabaseError), transaction.atomic():
            connection.cursor().execute(
                f"UPDATE {table} SET {column} = %s WHERE organization_id = %s",
                [value, organization_a.pk],
            )
    with tenant(organization_a), pytest.raises(DatabaseError), transaction.atomic():
        TaskPart.objects.create(organization=organization_a, task=task, stock=own)


@pytest.mark.django_db(transaction=True)
def test_parallel_uses_of_last_part_one_succeeds(organization_a, make_stock, make_task):
    stock = make_stock(organization_a, 1)
    tasks = [make_task(organization_a) for _ in range(10)]

    def use(task):
        with tenant_transaction(organization_a.id):
            return move(stock, "use", 1, task)

    results = run_concurrently(*(lambda task=task: use(task) for task in tasks * 5))
    assert sum(isinstance(result, PartMovement) for result in results) == 1
    assert sum(isinstance(result, InsufficientStockError) for result in results) == 49
    with tenant_transaction(organization_a.id):
        assert PartStock.objects.get().quantity == 0
        assert PartMovement.objects.filter(kind="use").count() == 1
        used = [task.parts_used for task in MaintenanceTask.objects.exclude(parts_used=None)]
        assert used == [[{"part": "B-7", "name": "Belt", "quantity": 1}]]


@pytest.mark.django_db(transaction=True)
def test_parallel_completion_and_reservation_leave_nothing_reserved(
    organization_a, make_stock, make_task, tenant
):
    stock, task = make_stock(organization_a, 8), make_task(organization_a)
    with tenant(organization_a):
        task_start(task)

    def call(function, *arguments):
        with tenant_transaction(organization_a.id):
            return function(*arguments)

    reserve = lambda: call(move, stock, "reserve", 1, task)  # noqa: E731
    results = run_concurrently(*[reserve] * 4, lambda: call(task_complete, task), *[reserve] * 4)
    allowed = (PartMovement, MaintenanceTask, TaskStateError)
    assert all(isinstance(result, allowed) for result in results), results
    with tenant(organization_a):
        stock.refresh_from_db()
        assert (stock.quantity, stock.reserved) == (8, 0)


quantities = st.integers(1, 6).map(Decimal)


class Stocks(RuleBasedStateMachine):
    """Two stocks and two tasks beside dictionaries of numbers."""

    stocks = tasks = None

    def __init__(self):
        super().__init__()
        self.on_hand = {stock.pk: Decimal(0) for stock in self.stocks}
        self.reserved, self.used = {}, {}
        for stock in self.stocks:
            stock.refresh_from_db()
            held = TaskPart.objects.filter(stock=stock)
            for row in held:
                if row.reserved:
                    move(stock, "release", row.reserved, row.task)
                if row.used:
                    move(stock, "return", row.used, row.task)
            move(stock, "count", 0, reason="Start")

    def total_reserved(self, stock):
        return sum(amount for (_, pk), amount in self.reserved.items() if pk == stock.pk)

    @rule(data=st.data(), kind=st.sampled_from(PartMovementKind.values), amount=quantities)
    def move(self, data, kind, amount):
        stock = data.draw(st.sampled_from(self.stocks))
        needs_task = kind not in {"receive", "count"}
        task = data.draw(st.sampled_from(self.tasks)) if needs_task else None
        key = (task.pk if task else None, stock.pk)
        own, used = self.reserved.get(key, 0), self.used.get(key, 0)
        free = self.on_hand[stock.pk] - self.total_reserved(stock)
        limit = {
            "reserve": free, "release": own, "use": free + own, "return": used,
            "receive": amount, "count": amount,
        }[kind]  # fmt: skip
        is_possible = amount <= limit and (kind != "count" or amount >= self.total_reserved(stock))
        try:
            move(stock, kind, amount, task, "Counted" if kind == "count" else None)
        except InsufficientStockError:
            assert not is_possible
            return
        assert is_possible
        if kind == "count":
            self.on_hand[stock.pk] = amount
        else:
            change = {"receive": amount, "return": amount, "use": -amount}.get(kind, 0)
            self.on_hand[stock.pk] += change
        if kind in {"reserve", "release"}:
            self.reserved[key] = own + (amount if kind == "reserve" else -amount)
        elif kind == "use":
            self.reserved[key], self.used[key] = own - min(own, amount), used + amount
        elif kind == "return":
            self.used[key] = used - amount

    @invariant()
    def equals_model(self):
        for stock in PartStock.objects.filter(pk__in=self.on_hand):
            assert stock.quantity == self.on_hand[stock.pk]
            assert stock.reserved == self.total_reserved(stock)
            last = PartMovement.objects.filter(stock=stock).order_by("-created_at")
            assert (stock.quantity, stock.reserved) in {
                (row.quantity_after, row.reserved_after) for row in last
            }
        for task in self.tasks:
            task.refresh_from_db()
            used = {item["part"]: item["quantity"] for item in task.parts_used or ()}
            expected = {
                stock.part.number: self.used.get((task.pk, stock.pk), 0) for stock in self.stocks
            }
            assert used == {number: amount for number, amount in expected.items() if amount}


def test_movements_equal_plain_model(organization_a, make_stock, make_task, tenant):
    Stocks.stocks = [make_stock(organization_a, number=number) for number in ("P-1", "P-2")]
    Stocks.tasks = [make_task(organization_a, title=title) for title in ("One", "Two")]
    with tenant(organization_a):
        run_state_machine_as_test(
            Stocks,
            settings=hypothesis_settings(
                max_examples=15,
                stateful_step_count=15,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_api_moves_parts_and_reads_them(organization_a, make_stock, make_task, alice, client_for):
    stock, task = make_stock(organization_a, minimum_quantity=Decimal(2)), make_task(organization_a)
    client = client_for(alice)

    def post(path, key=None, **body):
        headers = {"idempotency-key": key} if key else {}
        return client.post(
            f"/api/v1/{path}", body, content_type="application/json", headers=headers
        )

    assert (
        post("part-movements", stock=str(stock.pk), kind="receive", quantity="3").status_code == 201
    )
    use = {"stock": str(stock.pk), "kind": "use", "quantity": "1.5", "task": str(task.pk)}
    first, again = post("part-movements", "k1", **use), post("part-movements", "k1", **use)
    assert first.status_code == 201, first.content
    assert first.json() == again.json()
    assert first.json()["quantity_after"] == "1.500"
    assert first.json()["user"] == str(alice.pk)
    answer = post("part-movements", **{**use, "quantity": "9"})
    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_stock")
    assert post("part-movements", **{**use, "kind": "count"}).json()["errors"].keys() == {"reason"}
    assert post("part-movements", **{**use, "task": None}).json()["errors"].keys() == {"task"}
    for quantity in ("NaN", "-1", "1e9", "0.0001", "0", None, []):
        assert post("part-movements", **{**use, "quantity": quantity}).status_code == 400, quantity
    low = client.get("/api/v1/parts", {"low_stock": "true"}).json()["results"]
    assert [(row["on_hand"], row["reserved"]) for row in low] == [("1.500", "0.000")]
    assert client.get("/api/v1/parts", {"low_stock": "false"}).json()["results"] == []
    found = client.get("/api/v1/task-parts", {"task": str(task.pk)}).json()["results"]
    assert [(row["part"], row["used"]) for row in found] == [(str(stock.part_id), "1.500")]
    path = f"/api/v1/part-stocks/{stock.pk}"
    body = {"part": str(stock.part_id)}
    assert client.patch(path, body, content_type="application/json").status_code == 400
    body = {"storage_location": "Shelf 9"}
    answer = client.patch(path, body, content_type="application/json")
    assert (answer.status_code, answer.json()["quantity"]) == (200, "1.500")
    used = client.get(f"/api/v1/maintenance-tasks/{task.pk}").json()["parts_used"]
    assert used == [{"part": "B-7", "name": "Belt", "quantity": 1.5}]


def test_task_parts_page_uses_and_returns_parts(
    organization_a, make_stock, make_task, make_user, client_for, tenant, alice
):
    stock, task = make_stock(organization_a, 5), make_task(organization_a)
    make_stock(organization_a, 5, number="Z-1", name="Oil")
    client = client_for(make_user(organization_a, "technician"))
    page = reverse("admin:task_parts_page", args=[task.pk])

    def post(kind, quantity, follow=True):
        body = {"stock": str(stock.pk), "kind": kind, "quantity": quantity, "q": "belt"}
        return client.post(page, body, follow=follow)

    found = client.get(page, {"q": "belt"}).context["found"]
    assert [row.stock for row in found] == [stock]
    assert b"2 pcs of Belt used." in post("use", "2").content
    answer = post("use", "9")
    assert answer.status_code == 400
    assert b"3 pcs of B-7 are available in this place." in answer.content
    for kind, quantity in (("use", ""), ("use", "x"), ("use", "NaN"), ("count", "1"), ("", "1")):
        assert post(kind, quantity).status_code == 400, (kind, quantity)
    post("reserve", "1")
    post("return", "1")
    with tenant(organization_a):
        stock.refresh_from_db()
        assert (stock.quantity, stock.reserved) == (4, 1)
        task_cancel(task, "over")
    closed = client.get(page)
    assert closed.context["found"] == []
    assert [[kind.value for kind in row.kinds] for row in closed.context["rows"]] == [["return"]]
    text = client_for(alice).get(
        reverse("admin:maintenance_maintenancetask_change", args=[task.pk])
    )
    assert b"Belt (B-7): 1" in text.content


def test_viewer_sees_parts_of_task_but_cannot_move_them(
    organization_a, make_stock, make_task, make_user, client_for
):
    stock, task = make_stock(organization_a, 5), make_task(organization_a)
    client = client_for(make_user(organization_a, "viewer"))
    page = reverse("admin:task_parts_page", args=[task.pk])
    assert client.get(page).context["found"] == []
    body = {"stock": str(stock.pk), "kind": "use", "quantity": "1"}
    assert client.post(page, body).status_code == 403


def test_admin_stores_receives_and_counts_parts(
    organization_a,
    make_stock,
    make_facility,
    alice,
    client_for,
    tenant,
    django_assert_max_num_queries,
):
    client = client_for(alice)
    hall = make_facility(organization_a, "Hall")
    body = {"number": "G-1", "name": "Grease", "unit": "kg", "is_active": "on"}
    body["minimum_quantity"] = "1"
    assert client.post(reverse("admin:maintenance_part_add"), body).status_code == 302
    with tenant(organization_a):
        part = Part.objects.get()
    place = {"part": str(part.pk), "facility": str(hall.pk), "storage_location": "Shelf 2"}
    added = client.post(reverse("admin:maintenance_partstock_add"), place)
    assert added.status_code == 302, added.context["adminform"].form.errors
    again = client.post(reverse("admin:maintenance_partstock_add"), place)
    assert b"already has a stock in this place" in again.content
    with tenant(organization_a):
        stock = PartStock.objects.get()
    for name, form in (
        ("receive", {"quantity": "2.5"}),
        ("count", {"quantity": "0.5", "reason": "Spilled"}),
    ):
        act = reverse("admin:maintenance_partstock_act", args=[stock.pk, name])
        assert client.get(act).status_code == 200
        assert client.post(act, {**form, "_confirm": "1"}).status_code == 302
    with django_assert_max_num_queries(16):
        listed = client.get(reverse("admin:maintenance_part_changelist"))
    assert b"1 part below the minimum quantity" in listed.content
    assert b"0.5 kg" in listed.content
    low = client.get(reverse("admin:maintenance_part_changelist"), {"stock": "low"})
    assert [row.pk for row in low.context["cl"].result_list] == [part.pk]
    page = client.get(reverse("admin:maintenance_part_change", args=[part.pk])).content.decode()
    assert "Hall, Shelf 2" in page
    assert "Spilled" in page
    assert client.get(reverse("admin:maintenance_partstock_changelist")).status_code == 200
