from __future__ import annotations

from poisonkit.seeding import generator, key


def test_a_key_is_the_same_number_for_ever() -> None:
    # changing this number changes every poisoned copy that anyone made: it must not happen by accident
    assert key(0, "Alpha/v_Alpha_g01_c01", "select") == 0x87C7FBE79DDCA7E7AADFF0F5C7456C7B


def test_keys_differ_in_each_part() -> None:
    keys = {
        key(0, "a", "s"),
        key(1, "a", "s"),
        key(0, "b", "s"),
        key(0, "a", "t"),
        key(0, "as", ""),
        key(0, "", "as"),
    }
    assert len(keys) == 6


def test_the_separator_cannot_be_forged_by_an_id() -> None:
    assert key(0, "a|b", "c") != key(0, "a", "b|c")


def test_generators_repeat_themselves() -> None:
    first = generator(7, "clip", "draw").integers(0, 1 << 40, 5)
    assert first.tolist() == generator(7, "clip", "draw").integers(0, 1 << 40, 5).tolist()
    assert first.tolist() != generator(8, "clip", "draw").integers(0, 1 << 40, 5).tolist()
