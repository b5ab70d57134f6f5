"""What the predicates of the rules tell apart, where a rule's own examples do not show it."""

import pytest

from zport.audit.auditor import audit
from zport.audit.files import File
from zport.audit.inputs import Input


def found_in(text, path="module.py"):
    return audit(Input("made up", lambda: iter([File(path, text.encode())]))).findings


def test_a_format_that_its_order_is_put_into_is_no_finding():
    text = 'def f(self, data):\n    return struct.unpack_from(f"{ORDER}H", data)\n'
    assert found_in(text.replace("ORDER", "self.endian")) == ()
    assert found_in(text.replace("ORDER", "count")) != ()


def test_an_assigned_expression_goes_on_while_a_bracket_is_open():
    text = (
        "def f(file, x):\n"
        "    array = np.asarray(\n        x,\n        DTYPE)\n"
        "    file.write(array.tobytes())\n"
    )
    assert found_in(text.replace("DTYPE", "dtype=np.float32")) != ()
    assert found_in(text.replace("DTYPE", "dtype='<f4'")) == ()


def test_an_escaped_byte_is_no_name_of_a_protocol():
    text = (
        'FORMAT = "IHH"\nMARK = b"\\xcb\\x11"\n'
        "def f(file):\n    return struct.unpack(FORMAT, file.read(8))\n"
    )
    assert found_in(text) != ()
    assert found_in(text.replace('b"\\xcb\\x11"', '"dbus"')) == ()


@pytest.mark.parametrize(
    ("declared", "code", "found"),
    [
        ("int n", "l", True), ("long n", "l", False), ("unsigned long n", "k", False),
        ("Py_ssize_t n", "i", True), ("Kind n", "i", False), ("bool n", "p", True),
        ("unsigned char n", "b", False), ("short int n", "h", False),
    ],
)  # fmt: skip
def test_a_number_is_parsed_into_a_variable_of_its_width(declared, code, found):
    call = f'PyArg_ParseTuple(args, "|{code}", &n)'
    text = f"int f(PyObject *args) {{\n  {declared};\n  return {call};\n}}\n"
    assert [one.rule for one in found_in(text, "module.c")] == ["argument-width"] * found


def test_a_structure_without_members_has_no_numbers():
    text = (
        "struct parts {};\n"
        "union view { unsigned int whole; struct parts by_bit; };\n"
        "void f(const char *data) { struct parts one; memcpy(&one, data, sizeof(one)); }\n"
    )
    assert found_in(text, "view.c") == ()
    assert found_in(text.replace("{}", "{ unsigned low : 4; unsigned high : 28; }"), "view.c") != ()
