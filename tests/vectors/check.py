"""Recomputes merkle.json by the recursive definition of RFC 6962, entry.json and withdrawal.json by PROTOCOL.md, and the key texts, note text and
fingerprint of checkpoint.json (not its Ed25519 signatures); standard library only.

`python3 check.py` checks the file, `python3 check.py --write` writes it.
"""

import base64
import hashlib
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).with_name("merkle.json")


def sha(data):
    return hashlib.sha256(data).digest()


def split(count):
    return 1 << ((count - 1).bit_length() - 1)


def root(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha(b"\x01" + root(leaves[:k]) + root(leaves[k:]))


def inclusion(index, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return inclusion(index, leaves[:k]) + [root(leaves[k:])]
    return inclusion(index - k, leaves[k:]) + [root(leaves[:k])]


def consistency(old, leaves, whole=True):
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return consistency(old, leaves[:k], whole) + [root(leaves[k:])]
    return consistency(old - k, leaves[k:], False) + [root(leaves[:k])]


def hexes(hashes):
    return [h.hex() for h in hashes]


def vectors():
    leaves = [sha(b"\x00" + b"leaf %d" % i) for i in range(300)]
    return {
        "leaf_data": "the ASCII text 'leaf N', N from 0 in decimal",
        "roots": [
            {"size": n, "root": root(leaves[:n]).hex()}
            for n in (0, 1, 2, 3, 7, 8, 255, 256, 257, 300)
        ],
        "inclusion": [
            {"index": i, "size": n, "proof": hexes(inclusion(i, leaves[:n]))}
            for i, n in ((0, 1), (0, 7), (6, 7), (3, 8), (255, 257), (256, 257), (123, 300))
        ],
        "consistency": [
            {"old": m, "new": n, "proof": hexes(consistency(m, leaves[:n]))}
            for m, n in ((1, 1), (1, 2), (3, 7), (4, 7), (6, 8), (256, 300), (257, 300))
        ],
    }


ONSETS = "b c h m n t v x ch d g kh ng nh ph th".split()


def syllable(onset, vowel):
    onset, vowel = ONSETS[onset], "aeio"[vowel]
    if vowel in "ei":
        onset = {"c": "k", "g": "gh", "ng": "ngh"}.get(onset, onset)
    return onset + vowel


def words(digest):
    bits = "".join(f"{byte:08b}" for byte in digest)
    numbers = [int(bits[at : at + 11], 2) for at in range(0, 88, 11)]
    return " ".join(
        syllable(n >> 7, n >> 5 & 3) + syllable(n >> 2 & 7, n & 3) for n in numbers
    )


def vkey(name, algorithm, key):
    typed = bytes([algorithm]) + key
    key_id = sha(name.encode() + b"\n" + typed)[:4].hex()
    return f"{name}+{key_id}+{base64.b64encode(typed).decode()}"


def check_checkpoint():
    file = json.loads(FILE.with_name("checkpoint.json").read_text())
    log, hub = (bytes.fromhex(file[who + "_public_key"]) for who in ("log", "cosigner"))
    root64 = base64.b64encode(bytes.fromhex(file["root"])).decode()
    text, _, line = file["signed"].rpartition("\n\n")
    assert text == f"{file['origin']}\n{file['size']}\n{root64}", "text"
    assert line.startswith(f"— {file['origin']} "), "signature line"
    body = base64.b64decode(line.split(" ")[2])
    assert body[:4].hex() == file["log_vkey"].split("+")[1] and len(body) == 68, "signature"
    assert file["log_vkey"] == vkey(file["origin"], 1, log), "log key"
    _, name, body = file["cosignature_line"].split(" ")
    assert file["cosigner_vkey"] == vkey(name, 4, hub), "cosigner key"
    body = base64.b64decode(body)
    assert int.from_bytes(body[4:12], "big") == file["cosignature_time"] and len(body) == 76, "time"
    assert file["fingerprint_of_log_key"] == words(sha(log)), "fingerprint"
    print("checkpoint.json agrees")


def framed(data):
    length, out = len(data), b""
    while length >= 0x80:
        out, length = out + bytes([length & 0x7F | 0x80]), length >> 7
    return out + bytes([length]) + data


def entry():
    """One change by hand: PROTOCOL.md, "Entries" and "Changes"."""
    replica, other = bytes([0x11]) * 16, bytes([0x22]) * 16
    secret = bytes(range(16))
    none = b"\x00"
    fields = {
        "_id": b"\x0a" + bytes([0x33]) * 16,
        "_meta": (5).to_bytes(8, "big") + framed(b"lan") + bytes([0x44]) * 8,
        "_n": b"\x02\x02",
        "_type": b"\x01" + framed(b"dang_vien"),
        "_unit": b"\x09" + framed(b"11953") + none,
        "_year": b"\x02" + b"\xd4\x1f",
        "ho_ten": b"\x01" + framed("Trần Thị Hòa".encode()) + b"\x01" + other + b"\x07",
        "ngay_sinh": b"\x05\x00" + none,
    }
    header = b"\x01\x01" + replica + (9).to_bytes(8, "big")
    full = b"\x01" + framed(header) + secret + bytes([len(fields)])
    commitments, redacted = {}, b"\x02" + framed(header) + bytes([len(fields)])
    for path, content in sorted(fields.items()):
        name = path.encode()
        full += framed(name) + framed(content)
        salt = sha(b"\x02" + secret + name)[:16]
        sized = len(name).to_bytes(2, "big") + name + len(content).to_bytes(4, "big") + content
        commitments[path] = sha(b"\x03" + salt + sized)
        opened = b"\x01" + salt + framed(name) + framed(content)
        redacted += opened if path in ("_type", "_year", "_n") else b"\x00" + commitments[path]
    leaf = b"LT1\x01" + len(header).to_bytes(2, "big") + header + len(fields).to_bytes(2, "big")
    leaf += b"".join(sorted(commitments.values()))
    return {
        "about": "change 9 of replica 11…: Trần Thị Hòa, born 1970-01-01, having seen sequence 7 of replica 22… of the name",
        "secret": secret.hex(),
        "full": full.hex(),
        "redacted_to_type_year_number": redacted.hex(),
        "commitments": {path: value.hex() for path, value in commitments.items()},
        "leaf_hash": sha(b"\x00" + leaf).hex(),
    }


def withdrawal():
    """The value of a withdrawal by hand: PROTOCOL.md, "Withdrawal"."""
    reason = "nhập nhầm"
    seen = {"11" * 16: [9], "22" * 16: [7, 12]}
    texts = [reason] + [f"{r}:{','.join(map(str, sorted(seen[r])))}" for r in sorted(seen)]
    value = b"\x0c" + bytes([len(texts)]) + b"".join(b"\x01" + framed(t.encode()) for t in texts)
    return {"reason": reason, "seen": seen, "value": value.hex(), "stands_again": "00"}


if __name__ == "__main__":
    if "--write" in sys.argv:
        FILE.write_text(json.dumps(vectors(), indent=2) + "\n")
        text = json.dumps(entry(), indent=2, ensure_ascii=False)
        FILE.with_name("entry.json").write_text(text + "\n")
        text = json.dumps(withdrawal(), indent=2, ensure_ascii=False)
        FILE.with_name("withdrawal.json").write_text(text + "\n")
    elif json.loads(FILE.read_text()) != vectors():
        sys.exit("merkle.json differs")
    else:
        print("merkle.json agrees")
        assert json.loads(FILE.with_name("entry.json").read_text()) == entry(), "entry.json differs"
        print("entry.json agrees")
        stored = json.loads(FILE.with_name("withdrawal.json").read_text())
        assert stored == withdrawal(), "withdrawal.json differs"
        print("withdrawal.json agrees")
        check_checkpoint()
