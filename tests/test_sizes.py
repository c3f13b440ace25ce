"""The project stays as small as was decided."""

from sizes import LIMITS, ROOMS, house, rooms


def test_no_room_is_larger_than_its_limit() -> None:
    assert {name: (size, ROOMS.get(name)) for name, size in rooms().items() if size > ROOMS.get(name, 0)} == {}
    assert {name: (size, LIMITS[name]) for name, size in house().items() if size > LIMITS[name]} == {}
