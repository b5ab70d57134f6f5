"""A UUID's bytes have their order by definition, whatever the machine's."""

import uuid

from fastuuid import UUID, uuid3, uuid5

TEXT = "00112233-4455-6677-8899-aabbccddeeff"

one = UUID(hex=TEXT)
assert one.bytes == bytes.fromhex(TEXT.replace("-", ""))
assert one.bytes_le == uuid.UUID(TEXT).bytes_le
assert one.int == 0x00112233445566778899AABBCCDDEEFF
assert one.fields == uuid.UUID(TEXT).fields
assert str(UUID(bytes_le=one.bytes_le)) == TEXT
assert str(UUID(int=one.int)) == TEXT

url = uuid.NAMESPACE_URL
for ours, reference in ((uuid3, uuid.uuid3), (uuid5, uuid.uuid5)):
    assert str(ours(UUID(str(url)), b"leaf")) == str(reference(url, "leaf"))
