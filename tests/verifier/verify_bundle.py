#!/usr/bin/env python3
"""A second verifier of bundles, written from proto/PROTOCOL.md alone: it shares no code with the first.

    verify_bundle.py BUNDLE... --trust POLICY [--key KEY.toml]

One JSON document a line for each bundle: what it holds, or the object that fails; exit 1 if any fails. Needs Python 3.11 and `cryptography`.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Refused(Exception):
    """What fails, and why."""

    def __init__(self, thing, why):
        super().__init__(f"{thing}: {why}")
        self.thing = thing


def need(condition, thing, why):
    if not condition:
        raise Refused(thing, why)


def sha256(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def unbase64(text):
    raw = base64.b64decode(text, validate=True)
    need(base64.b64encode(raw).decode() == text, "base64", "not in its one form")
    return raw


# --- Bytes -------------------------------------------------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("cut")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if shift and byte == 0 or number >> 64:
                    raise ValueError("overlong")
                return number
            shift += 7

    def zigzag(self):
        number = self.varint()
        return (number >> 1) ^ -(number & 1)

    def framed(self):
        return self.take(self.varint())

    def text(self):
        return self.framed().decode()

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def u64(self):
        return struct.unpack(">Q", self.take(8))[0]

    def done(self):
        return self.at == len(self.data)

    def end(self):
        if not self.done():
            raise ValueError("trailing bytes")


def value(reader):
    tag = reader.take(1)[0]
    if tag == 0:
        return None
    if tag in (1, 3, 8, 9):
        return reader.text()
    if tag in (2, 4, 5):
        return reader.zigzag()
    if tag == 6:
        return reader.varint()
    if tag == 7:
        return reader.take(1) == b"\x01"
    if tag == 10:
        return reader.take(16).hex()
    if tag == 11:
        return reader.take(32).hex()
    if tag == 12:
        return [value(reader) for _ in range(reader.varint())]
    raise ValueError("unknown value")


def whole_value(content):
    reader = Reader(content)
    read = value(reader)
    reader.end()
    return read


def register(content):
    reader = Reader(content)
    read, context = value(reader), {}
    for _ in range(reader.varint()):
        replica = reader.take(16).hex()
        context[replica] = reader.varint()
    reader.end()
    return read, context


# --- Entries -----------------------------------------------------------------------------------------------------


class Entry:
    """An entry, whole or redacted; its leaf is the same."""

    def __init__(self, data):
        reader = Reader(data)
        form, header = reader.take(1)[0], reader.framed()
        head = Reader(header)
        need(head.take(1) == b"\x01", "entry", "unknown header version")
        self.kind, self.replica, self.sequence = head.take(1)[0], head.take(16).hex(), head.u64()
        head.end()
        self.fields, self.withheld, self.bare, self.commitments, commitments, last = {}, 0, set(), {}, [], None
        secret = reader.take(16) if form == 1 else None
        if form not in (1, 2):
            raise ValueError("unknown form")
        for _ in range(reader.varint()):
            opened = 1 if form == 1 else reader.take(1)[0]
            if opened > 1:
                raise ValueError("unknown part form")
            if opened == 0:
                self.withheld += 1
                commitments.append(reader.take(32))
                self.bare.add(commitments[-1])
                continue
            salt = None if form == 1 else reader.take(16)
            path = reader.text()
            content = reader.framed()
            if last is not None and last >= path.encode():
                raise ValueError("paths are not in order")
            last = path.encode()
            if salt is None:
                salt = sha256(b"\x02", secret, path.encode())[:16]
            raw = path.encode()
            commitments.append(
                sha256(b"\x03", salt, struct.pack(">H", len(raw)), raw, struct.pack(">I", len(content)), content)
            )
            self.fields[path], self.commitments[path] = content, commitments[-1]
        reader.end()
        commitments.sort()
        self.leaf = sha256(
            b"\x00LT1",
            bytes([self.kind]),
            struct.pack(">H", len(header)),
            header,
            struct.pack(">H", len(commitments)),
            *commitments,
        )

    def event(self):
        fields = {path: whole_value(content) for path, content in self.fields.items()}
        return fields.pop("_event"), fields.pop("_at"), fields.pop("_actor"), fields


# --- Trees -------------------------------------------------------------------------------------------------------


def node(left, right):
    return sha256(b"\x01", left, right)


def split(count):
    return 1 << ((count - 1).bit_length() - 1)


def covered_root(size, shown, proof):
    """The root of a tree of which `shown` [(index, leaf)] are known and `proof` covers the others."""
    rest = iter(proof)

    def subtree(start, end, some):
        if not some:
            return next(rest)
        if end - start == 1:
            return some[0][1]
        middle = start + split(end - start)
        left = subtree(start, middle, [leaf for leaf in some if leaf[0] < middle])
        return node(left, subtree(middle, end, [leaf for leaf in some if leaf[0] >= middle]))

    root = subtree(0, size, shown) if size else sha256()
    if next(rest, None) is not None:
        raise StopIteration
    return root


def included(leaf, index, size, path, root):
    at, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistent(old, old_root, new, new_root, proof):
    if old > new:
        return False
    if old == new:
        return old_root == new_root and not proof
    if old == 0:
        return not proof
    proof = list(proof) if old & (old - 1) else [old_root, *proof]
    if not proof:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = proof[0]
    for step in proof[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(step, first), node(step, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node(second, step)
        at, last = at >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# --- Notes -------------------------------------------------------------------------------------------------------


class Key:
    def __init__(self, name, algorithm, public):
        self.name, self.algorithm, self.public = name, algorithm, public
        self.id = sha256(name.encode(), b"\n", bytes([algorithm]), public)[:4]

    @classmethod
    def parse(cls, text):
        name, key_id, body = text.split("+", 2)
        raw = unbase64(body)
        key = cls(name, raw[0], raw[1:])
        need(key.id.hex() == key_id and len(key.public) == 32, text, "no key")
        return key

    def holds(self, text, signature):
        """The cosigner's time (0 for a plain signature), or None."""
        time, message = 0, text.encode()
        if self.algorithm == 4:
            time = struct.unpack(">Q", signature[:8])[0]
            signature, message = signature[8:], f"cosignature/v1\ntime {time}\n{text}".encode()
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return None
        return time


def note(text, keys):
    """The signed text, and the known keys that signed (two may have one name), with their times; a known key's bad line
    refuses the note."""
    body, _, lines = text.rpartition("\n\n")
    body += "\n"
    need(lines.endswith("\n"), "note", "malformed")
    found = {}
    for line in lines[:-1].split("\n"):
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        need(match, "note", "malformed signature line")
        raw = unbase64(match[2])
        for key in keys:
            if key.name == match[1] and key.id == raw[:4]:
                time = key.holds(body, raw[4:])
                need(time is not None, "note", f"the signature of {key.name} does not hold")
                found[key.public] = max(time, found.get(key.public, 0))
    return body, found


def checkpoint(text, key, witnesses=()):
    body, found = note(text, [key, *witnesses])
    need(key.public in found, key.name, "not signed by its own key")
    match = re.fullmatch(r"(\S+)\n(0|[1-9]\d*)\n(\S+)\n(?:roll (0|[1-9]\d*)\n)?", body)
    need(match and match[1] == key.name, key.name, "no checkpoint of it")
    return int(match[2]), unbase64(match[3]), found, match[4] and int(match[4])


class Policy:
    def __init__(self, text):
        self.logs, self.witnesses, self.groups, self.quorum = {}, {}, {}, None
        for line in text.splitlines():
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "log":
                key = Key.parse(words[1])
                self.logs[key.name] = key
            elif words[0] == "witness":
                key, names = Key.parse(words[2]), set(self.witnesses) | set(self.groups) | {"none"}
                # One key under two names would count twice.
                taken = any(key.public == other.public for other in self.witnesses.values())
                need(words[1] not in names and not taken, "policy", line)
                self.witnesses[words[1]] = key
            elif words[0] == "group":
                members = words[3:]
                known = set(self.witnesses) | set(self.groups)
                need(len(set(members)) == len(members) and set(members) <= known, "policy", line)
                needed = {"any": 1, "all": len(members)}.get(words[2]) or int(words[2])
                need(words[1] not in known | {"none"} and 0 < needed <= len(members), "policy", line)
                self.groups[words[1]] = (needed, members)
            elif words[0] == "quorum":
                need(self.quorum is None, "policy", line)
                self.quorum = words[1]
            else:
                raise Refused("policy", line)
        known = set(self.witnesses) | set(self.groups) | {"none"}
        need(self.logs and self.quorum in known, "policy", "it names no log or no quorum")

    def reached(self, signed):
        if self.quorum == "none":
            return True
        reached = {name for name, key in self.witnesses.items() if key.public in signed}
        # A group stands after its members.
        for name, (needed, members) in self.groups.items():
            if sum(member in reached for member in members) >= needed:
                reached.add(name)
        return self.quorum in reached

    def believe(self, text, origin):
        need(origin in self.logs, "the ledger's checkpoint", "unknown ledger")
        try:
            return checkpoint(text, self.logs[origin], self.witnesses.values())
        except Refused as refused:
            raise Refused("the ledger's checkpoint", str(refused)) from refused


# --- Sealed files ------------------------------------------------------------------------------------------------


def unseal(data, key_file):
    """RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM."""
    form, to, encapsulated, rest = data.split(b"\n", 3)
    need(form == b"lienthong sealed 1", "the file", "no sealed bundle")
    with open(key_file, encoding="ascii") as file:
        secret = X25519PrivateKey.from_private_bytes(bytes.fromhex(file.read().strip().removeprefix("x25519-private:")))
    public = secret.public_key().public_bytes_raw()
    need(to.decode() == f"x25519:{public.hex()}", "the seal", "sealed to another key")
    encapsulated = unbase64(encapsulated.decode())

    def extract(suite, salt, label, material):
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")

    def expand(suite, key, label, info, length):
        info, out, block = struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, b"", b""
        for number in range(1, -(-length // 32) + 1):
            block = hmac.digest(key, block + info + bytes([number]), "sha256")
            out += block
        return out[:length]

    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    shared = secret.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    shared = expand(kem, extract(kem, b"", b"eae_prk", shared), b"shared_secret", encapsulated + public, 32)
    context = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", form)
    master = extract(suite, shared, b"secret", b"")
    cipher = AESGCM(expand(suite, master, b"key", context, 32))
    base = int.from_bytes(expand(suite, master, b"base_nonce", context, 12))
    out, at, number, last = [], 0, 0, False
    while not last:
        need(at + 4 <= len(rest), f"chunk {number + 1}", "the bundle is cut off")
        length = struct.unpack(">I", rest[at : at + 4])[0]
        sealed, nonce = rest[at + 4 : at + 4 + length], (base ^ number).to_bytes(12)
        for mark in (b"\x00", b"\x01"):
            try:
                out.append(cipher.decrypt(nonce, sealed, mark))
                last = mark == b"\x01"
                break
            except (InvalidTag, ValueError):
                continue
        else:
            raise Refused(f"chunk {number + 1}", "damaged or altered")
        at, number = at + 4 + length, number + 1
    need(at == len(rest), f"chunk {number + 1}", "behind the last")
    return b"".join(out)


# --- Bundles -----------------------------------------------------------------------------------------------------

BARE = {"_n", "_type", "_year"}
MEMBER = re.compile("([0-9a-f]{32}):(0|[1-9][0-9]*):(0|[1-9][0-9]*):(0|[1-9][0-9]*):([0-9a-f]{64}|-)", re.ASCII)
OF_RECORDS = BARE | {"_meta", "_unit", "_withdrawn"}
TWO_DAYS = 48 * 3600 * 1000
# The clocks of witnesses may be ten minutes off.
SKEW = 600
DAY = 24 * 3600


def named(granted, path):
    parts = path.split("/")
    if len(parts) == 3 and parts[2] == "_gone":
        return any(name.startswith(parts[0] + "/") for name in granted)
    return (f"{parts[0]}/{parts[2]}" if len(parts) == 3 else path) in granted


def within(cosigned, at, seconds):
    """Who had cosigned so many seconds before an instant, and not behind it."""
    return {key for key, time in cosigned.items() if -SKEW <= at // 1000 - time <= seconds + SKEW}


class Bundle:
    def __init__(self, policy):
        self.policy, self.digest, self.lines = policy, hashlib.sha256(), 0
        self.enrolled, self.accepted, self.released, self.roll = {}, {}, {}, {}
        self.erased, self.claimed, self.receipt_keys = {}, [], []
        self.roll_at, self.roll_place, self.roll_names, self.lines_of_roll = None, None, {}, {}
        self.proposed = self.approved = self.log = self.access = None
        self.logs, self.records, self.unseen, self.ledger_done, self.ended = {}, {}, {}, False, False

    def line(self, raw):
        thing = f"line {self.lines + 1} of the bundle"
        try:
            line = json.loads(raw)
            # One form only: no key twice, no space.
            need(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() == raw, thing, "malformed")
            kind = line.pop("line")
            stage = getattr(self, "on_" + kind)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise Refused(thing, "malformed") from error
        need(not self.ended and (kind == "head") == (self.lines == 0), thing, "out of place")
        if kind in ("entry", "proof"):
            need(self.log is not None, thing, "out of place")
        elif kind != "head":
            need(self.log is None, thing, "out of place")
        # What stands behind the record of the delivery was not logged.
        need(self.access is None or kind == "end", thing, "out of place")
        try:
            stage(**line)
        except (ValueError, KeyError, TypeError, IndexError, struct.error, UnicodeDecodeError) as error:
            raise Refused(thing, f"malformed ({error})") from error
        self.lines += 1
        self.digest.update(raw + b"\n")

    def on_head(self, version, ledger, cut, grant, terms, before_roll=None):
        need(version == 1, "head", "unknown version")
        self.size, self.root, self.witnesses, self.named_roll = self.policy.believe(cut, ledger)
        need(self.policy.reached(self.witnesses), "the ledger's checkpoint", "too few witnesses")
        self.ledger, self.grant, self.terms = ledger, grant, terms
        self.before_roll = self.policy.believe(before_roll, ledger) if before_roll is not None else None
        self.shares = {share["type"]: share for share in terms["shares"]}

    def on_log(self, origin, size, accepted=None, receipt=None):
        thing = f"log {origin}"
        _, _, unit, replica = origin.split("/")
        log = {"origin": origin, "unit": unit, "replica": replica, "size": size, "leaves": [], "next": {}, "signed": None, "signed_by": None}
        if not self.ledger_done:
            need(origin == self.ledger and size == self.size and accepted is None, thing, "not the bundle's ledger")
            log |= {"root": self.root, "at": None}
        else:
            need(origin not in self.logs and replica in self.enrolled, thing, "twice, or not enrolled")
            enrolled_unit, key, since = self.enrolled[replica]
            need(enrolled_unit == unit, thing, "enrolled for another unit")
            known = [a for a in self.accepted.get(replica, {}).values() if a["index"] == accepted and a["size"] == size]
            need(known, thing, "no such acceptance")
            head = checkpoint(known[0]["checkpoint"], Key(origin, 1, key))
            need(head[:2] == (size, known[0]["root"]), thing, "its checkpoint is another")
            need(receipt is not None, thing, "without the province's receipt")
            text = known[0]["checkpoint"].rpartition("\n\n")[0] + "\n"
            self.receipt(f"{text}\n{receipt}\n", receipt, thing, known[0]["at"] // 1000)
            log |= {"root": known[0]["root"], "at": known[0]["at"], "since": since}
        self.log = log

    def receipt(self, text, line, thing, accepted):
        """Holds by the key of its own date, that of the acceptance: the last the ledger names by then, or the policy's."""
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        need(match, thing, "malformed receipt")
        raw = unbase64(match[2])
        date = struct.unpack(">Q", raw[4:12])[0]
        need(date == accepted, thing, "its receipt is of another time than its acceptance")
        by = [key for key in self.receipt_keys if key.name == match[1] and key.id == raw[:4]]
        in_force = [key for key in self.receipt_keys if key.since <= date]
        if in_force:
            need(in_force[-1] in by and note(text, in_force[-1:])[1], thing, "its receipt is not by the key of its date")
        else:
            need(not by, thing, "its receipt is of before its key")
            need(note(text, self.policy.witnesses.values())[1], thing, "its receipt's key is not in the policy")

    def on_entry(self, entry, leaf, record=None, withheld=(), refers=(), erased=0, unseen=()):
        entry, log = Entry(unbase64(entry)), self.log
        thing = f"entry {entry.sequence} of {log['origin']}"
        need(entry.leaf == unbase64(leaf), thing, "its content does not match its commitments")
        need(entry.replica == log["replica"] and entry.sequence < log["size"], thing, "out of place")
        need(not log["leaves"] or log["leaves"][-1][0] < entry.sequence, thing, "out of order")
        if entry.kind == 1:
            self.change(entry, thing, record, withheld, refers, erased, unseen)
        else:
            need(record is None and not (withheld or refers or erased or unseen), thing, "no change of a record")
            if entry.kind == 2:
                # Behind what is withheld it may say the same otherwise, to somebody else.
                need(not entry.withheld, thing, "something of it is withheld")
                need(not self.ledger_done, thing, "out of place")
                self.acceptance(entry)
            else:
                self.event(entry, thing)
        log["leaves"].append((entry.sequence, entry.leaf))

    def acceptance(self, entry):
        reader = Reader(entry.fields["batch"])
        replica, first, size, root, at, before = (
            reader.take(16).hex(), reader.u64(), reader.u64(), reader.take(32), reader.u64(), reader.take(32),
        )
        reader.end()
        verdicts, reader = {}, Reader(entry.fields["verdicts"])
        while not reader.done():
            place, verdict = reader.u16(), reader.take(1)[0]
            need(not verdicts or place > max(verdicts), "an acceptance", "its verdicts are out of order")
            need(verdict <= 2, "an acceptance", "an unknown verdict")
            reason = reader.take(1)[0] if verdict == 2 else None
            need(reason is None or 1 <= reason <= 10, "an acceptance", "an unknown reason of quarantine")
            verdicts[place] = (verdict, reason)
        batches = self.accepted.setdefault(replica, {})
        held, chain = max(((batch["size"], batch["chain"]) for batch in batches.values()), default=(0, bytes(32)))
        follows = first == held and size > held and before == chain
        need(follows, f"entry {entry.sequence} of {self.ledger}", "it does not follow the acceptance before it")
        said = struct.pack(">QQQ", entry.sequence, size, at)
        batches[first] = {
            "index": entry.sequence, "size": size, "root": root, "at": at, "verdicts": verdicts,
            "checkpoint": entry.fields["checkpoint"].decode(),
            "chain": sha256(b"lienthong accepted v1\n", before, said, entry.fields["verdicts"]),
        }

    def event(self, entry, thing):
        kind, at, actor, fields = entry.event()
        if kind == "tally":
            counts = [(name, fields.get(f"count/{name}")) for name in self.shares]
            for name, signed in counts:
                shown = self.log["next"].get(name, 0)
                need(signed in (None, shown), thing, f"its writer signed for {signed} changes of {name}, {shown} are shown")
            # One of before a type says nothing of it, and so nothing.
            if all(signed is not None for _, signed in counts):
                self.log["signed"], self.log["signed_by"] = at, entry.sequence
            return
        need(not self.ledger_done, thing, "no place for such an event")
        need(not entry.withheld or kind in ("roll_part", "release", "erasure"), thing, "something of it is withheld")
        if kind == "readmission" and "log_key" not in fields:
            return
        if kind in ("enrolment", "readmission"):
            known = (fields["unit"], bytes.fromhex(fields["log_key"]), at)
            self.enrolled.setdefault(fields["replica"], known)
        elif kind == "succession":
            lines = fields["note"].split("\n")
            _, _, unit, replica = lines[3].split("/")
            need(unit == self.ledger.split("/")[2], thing, "the ledger before is not of this unit")
            self.enrolled.setdefault(replica, (unit, unbase64(lines[4]), at))
        elif kind == "release":
            self.released[fields["replica"], fields["sequence"]] = fields["proposal"]
        elif kind == "grant_proposed" and entry.sequence == self.grant:
            self.proposed = (actor, json.loads(fields["terms"]))
        elif kind == "grant_approved" and fields["grant"] == self.grant:
            self.approved = actor
        elif kind == "receipt_key":
            self.receipt_key(fields, at)
        elif kind == "erasure":
            for replica, sequence, commitments in erased_entries(unbase64(fields["entries"])):
                self.erased.setdefault((replica, sequence), set()).update(commitments)
        elif kind == "roll_part":
            for name, members in fields.items():
                if name.startswith("unit/"):
                    need(type(members) is list, thing, "a malformed line")
                    members = [MEMBER.fullmatch(member) for member in members]
                    need(all(members) and all(a[1] < b[1] for a, b in zip(members, members[1:])), thing, "a malformed line")
                    line = {member[1]: (*(number(digits) for digits in member.groups()[1:4]), member[5]) for member in members}
                    self.lines_of_roll[entry.commitments[name]] = line
        elif kind == "roll":
            # All of it is shown: nobody else was shown another line of a unit.
            names = {name[5:]: unbase64(text) for name, text in fields.items() if name.startswith("unit/")}
            need(all(len(committed) == 32 for committed in names.values()), thing, "a malformed line")
            self.roll_at, self.roll_place, self.roll_names = at, entry.sequence, names
            lines, self.lines_of_roll = self.lines_of_roll, {}
            self.roll = {unit: lines[committed] for unit, committed in names.items() if committed in lines}

    def receipt_key(self, fields, at):
        """A further key of receipts, from a second on that was to come; what is no such thing names none."""
        try:
            key, since = Key.parse(fields["key"]), fields["from"]
            fits = key.algorithm == 4 and since % 1000 == 0 and since > at
        except (Refused, ValueError, KeyError, AttributeError, IndexError, TypeError):
            return
        key.since = since // 1000 if fits else None
        follows = not self.receipt_keys or fits and self.receipt_keys[-1].since < key.since
        if fits and follows and len(self.receipt_keys) < 256:
            self.receipt_keys.append(key)

    def change(self, entry, thing, record, withheld, refers, erased, unseen):
        kind, year, number = (whole_value(entry.fields[name]) for name in ("_type", "_year", "_n"))
        need(kind in self.shares, thing, "its type is not granted")
        share, log = self.shares[kind], self.log
        wanted = log["next"].get(kind, 0)
        need(number == wanted, thing, f"its number is {number}, not {wanted}: entries are missing")
        log["next"][kind] = wanted + 1
        if record is None:
            silent = not (withheld or refers or erased or unseen)
            need(set(entry.fields) <= BARE and silent, thing, "shows more than that it exists")
            return
        self.claimed.append((entry.replica, entry.sequence, entry.bare, erased, thing))
        for path in entry.fields:
            granted = path in OF_RECORDS if path.startswith("_") else named(share["fields"], path)
            need(granted, thing, f"opens {path}, which is not granted")
        # Of another year a change shows how the record stands, no value of it.
        values = [path for path in entry.fields if not path.startswith("_")]
        need(not share["years"] or year in share["years"] or not (values or refers), thing, "its year is not granted")
        need(all(named(share["references"], path) for path, _ in refers), thing, "names what is not granted")
        proposal = False
        if self.ledger_done:
            taken = self.taken(log["replica"], entry.sequence)
            need(taken is not None, thing, "its acceptance is not shown")
            need(taken, thing, "it is in quarantine")
            proposal = taken[0]
        known = self.records.setdefault((kind, record), {})
        unseen, counted = [tuple(edit) for edit in unseen], []
        self.unseen[kind, record] = counted
        need(all(a[:2] < b[:2] for a, b in zip(unseen, unseen[1:])), thing, "its unseen edits are out of order")
        for replica, sequence, said in unseen:
            need(re.fullmatch("[0-9a-f]{32}", replica) and type(sequence) is int and type(said) is bool, thing, "malformed")
            # One still in quarantine under this cut counts once its release is shown.
            proven = self.taken(replica, sequence)
            need(proven in (None, (), (said,)), thing, "what it says of unseen edits goes against the ledger")
            if proven != ():
                counted.append((replica, sequence, said))
        for path, content in entry.fields.items():
            if path not in BARE and path != "_meta":
                written, context = register(content)
                known.setdefault(path, []).append((log["replica"], entry.sequence, proposal, written, context))

    def taken(self, replica, sequence):
        """(whether it is a proposal,), () if it is in quarantine; None if nothing is shown of its acceptance."""
        batches = self.accepted.get(replica, {})
        first = max((first for first in batches if first <= sequence), default=None)
        if first is None or sequence >= batches[first]["size"]:
            return None
        if (replica, sequence) in self.released:
            return (self.released[replica, sequence],)
        verdict = batches[first]["verdicts"].get(sequence - first, (0, None))[0]
        return () if verdict == 2 else (verdict == 1,)

    def on_proof(self, hashes):
        log, self.log = self.log, None
        thing = f"log {log['origin']}"
        try:
            root = covered_root(log["size"], log["leaves"], [unbase64(text) for text in hashes])
        except StopIteration:
            root = None
        need(root == log["root"], thing, "its entries and proof do not lead to the signed root")
        if not self.ledger_done:
            self.ledger_done = True
            grant = f"grant {self.grant}"
            need(self.proposed and self.approved, grant, "not proposed and approved in the ledger")
            need(self.proposed[1] == self.terms, grant, "its terms are not those of the ledger")
            need(self.proposed[0] != self.approved, grant, "one person proposed and approved it")
        else:
            signed = log["at"] - (log["signed"] or log["since"]) <= TWO_DAYS or log["signed_by"] == log["size"] - 1
            need(signed, thing, "its later part is not signed for")
        self.logs[log["origin"]] = log

    def on_access(self, entry, path, checkpoint, consistency):
        need(self.ledger_done, "the record of this delivery", "out of place")
        entry = Entry(unbase64(entry))
        thing = "the record of this delivery"
        kind, at, _, fields = entry.event()
        self.check_roll(at)
        said = kind == "access" and fields["grant"] == self.grant and fields["agency"] == self.terms["agency"]
        need(not entry.withheld, thing, "something of it is withheld")
        need(said and fields["cut"] == self.size and entry.replica == self.ledger.split("/")[3], thing, "of another")
        need(fields["digest"] == self.digest.hexdigest(), thing, "the bundle is not what was logged")
        day = json.dumps(self.terms["from"])[1:-1], json.dumps(self.terms["until"])[1:-1]
        need(day[0] <= vietnamese_day(at) <= day[1], thing, "outside the grant's term")
        need(self.policy.reached(within(self.witnesses, at, DAY)), thing, "no quorum had cosigned within the 24 hours before")
        size, root, _, _ = self.policy.believe(checkpoint, self.ledger)
        steps = [unbase64(text) for text in consistency]
        need(consistent(self.size, self.root, size, root, steps), "the ledger's checkpoint", "it does not go on")
        steps = [unbase64(text) for text in path]
        need(included(entry.leaf, entry.sequence, size, steps, root), thing, "it is not in the ledger")
        self.access = entry.sequence

    def check_roll(self, at):
        thing = "the list of the units' replicas"
        need(self.roll_at is not None and at - self.roll_at <= TWO_DAYS, thing, "it is too old: what came since may be missing")
        need(self.roll_at <= at + 600_000, thing, "it is dated behind this delivery")
        need(self.roll_place == self.named_roll, thing, "it is not the one that the witnesses have judged")
        if self.policy.quorum != "none":
            size, _, cosigned, _ = self.before_roll or (None, None, {}, None)
            late = within(cosigned, at, TWO_DAYS // 1000)
            behind = size is not None and size <= self.roll_place and self.policy.reached(late)
            need(behind, thing, "no quorum shows that it was called within the 48 hours before this delivery")
        for origin in self.logs:
            _, _, unit, replica = origin.split("/")
            if origin == self.ledger:
                continue
            need(replica in self.roll.get(unit, ()), f"log {origin}", "its replica is not in that list")
            size, index, taken, key = self.roll[unit][replica]
            need(key == self.enrolled[replica][1].hex(), f"log {origin}", "its key is not the one in that list")
            held = [(batch["index"], batch["at"]) for batch in self.accepted[replica].values() if batch["size"] == size]
            need(size == 0 or held == [(index, taken)], f"log {origin}", "it was not accepted where and when that list has it")
            behind = [batch["at"] for first, batch in self.accepted[replica].items() if first >= size]
            need(all(taken >= self.roll_at - 600_000 for taken in behind), f"log {origin}", "it was accepted behind that list, and is dated before it")
        named_units = {unit for share in self.shares.values() for unit in share["units"]}
        everywhere = any(not share["units"] for share in self.shares.values())
        if everywhere:
            need(set(self.roll) == set(self.roll_names), thing, "it is not whole")
        need(named_units <= set(self.roll), thing, "a unit is not in it")
        sizes = {(log["unit"], log["replica"]): log["size"] for log in self.logs.values()}
        for unit, replicas in self.roll.items():
            if everywhere or unit in named_units:
                for replica, (held, *_) in replicas.items():
                    need(sizes.get((unit, replica), 0) >= held, f"replica {replica} of {unit}", "entries of it are missing")

    def on_end(self, lines):
        need(self.access is not None and lines == self.lines, "the end", "out of place")
        for replica, sequence, bare, claimed, thing in self.claimed:
            gone = bare & self.erased.get((replica, sequence), set())
            need(len(gone) == claimed, thing, "fields said to be erased are not so in the ledger")
        self.ended = True

    def live(self):
        """The live values of every field of every record (nothing is picked, nothing is left out), and how each stands."""
        tables, standing = {}, {}
        for (kind, record), registers in self.records.items():
            live = {path: live_writes(writes) for path, writes in registers.items()}
            tables.setdefault(kind, {})[record] = {path: [w[3] for w in writes] for path, writes in live.items()}
            stands = stands_by(live, self.unseen.get((kind, record), ()))
            if stands is not None:
                standing.setdefault(kind, {})[record] = stands
        return tables, standing


def number(digits):
    value = int(digits)
    if value >= 1 << 64:
        raise ValueError(digits)
    return value


def live_writes(writes):
    """Those of a register's writes (replica, sequence, proposal, value, context) that no other had seen."""
    seen = {}
    for replica, sequence, proposal, _, context in writes:
        for other, until in context.items():
            if not proposal and not (other == replica and until >= sequence):
                seen[other] = max(seen.get(other, -1), until)
    # Of one replica's proposals the last one stands.
    last = {}
    for replica, sequence, proposal, _, _ in writes:
        if proposal:
            last[replica] = max(last.get(replica, -1), sequence)
    return [w for w in writes if w[1] > seen.get(w[0], -1) and not (w[2] and w[1] < last[w[0]])]


def stands_by(live, unseen):
    """Of a record somebody withdrew, whether that is so, and whether a person has to decide; else None."""
    edits = {(w[0], w[1], w[2]) for path, writes in live.items() if path != "_withdrawn" for w in writes}
    edits |= {(replica, sequence, proposal) for replica, sequence, proposal in unseen}
    seen, stands = {False: None, True: None}, {False: False, True: False}
    for replica, sequence, proposal, written, _ in live.get("_withdrawn", ()):
        if written is None:
            stands[proposal] = True
            continue
        # What was written with the withdrawal belongs to it; nobody has seen what they had yet to write.
        known = {(replica, sequence)}
        for line in written[1:]:
            other, sequences = line.split(":")
            known |= {(other, int(n)) for n in sequences.split(",") if other != replica or int(n) < sequence}
        seen[proposal] = (seen[proposal] or set()) | known
    known = seen[True] if seen[False] is None else seen[False]
    if known is None:
        return None
    left = [edit for edit in edits if edit[:2] not in known]
    held = stands[False] or any(not proposal for _, _, proposal in left)
    firm = seen[False] is not None
    return {"withdrawn": firm and not held, "contested": not firm or held or stands[True] or bool(left)}


def erased_entries(data):
    """What an erasure names: replica, sequence, commitments."""
    reader = Reader(data)
    while not reader.done():
        replica, sequence = reader.take(16).hex(), reader.u64()
        yield replica, sequence, {reader.take(32) for _ in range(reader.varint())}


def vietnamese_day(at):
    import datetime

    zone = datetime.timezone(datetime.timedelta(hours=7))
    return datetime.datetime.fromtimestamp(at / 1000, zone).date().isoformat()


def check(path, policy, key):
    """What one bundle proves."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.startswith(b"{"):
        need(key, "the bundle", "it is sealed, and no key was given")
        data = unseal(data, key)
    bundle = Bundle(policy)
    need(data.endswith(b"\n"), "the bundle", "it is cut off")
    for raw in data[:-1].split(b"\n"):
        bundle.line(raw)
    need(bundle.ended, "the bundle", "it is cut off")
    records, standing = bundle.live()
    return {"valid": True, "size": bundle.size, "access": bundle.access, "records": records, "standing": standing}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("bundle", nargs="+")
    arguments.add_argument("--trust", required=True)
    arguments.add_argument("--key")
    given = arguments.parse_args()
    with open(given.trust, encoding="utf-8") as file:
        policy = Policy(file.read())
    failed = False
    for path in given.bundle:
        try:
            answer = check(path, policy, given.key)
        except (Refused, ValueError) as refused:
            failed = True
            answer = {"valid": False, "object": getattr(refused, "thing", "the bundle"), "reason": str(refused)}
        print(json.dumps(answer))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
