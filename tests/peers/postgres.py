#!/usr/bin/env python3
"""The work of `load`, done by PostgreSQL's logical replication: K sites, one hub, mutual TLS, fsync on.

Each site is a cluster of its own with a publication; the hub subscribes to all of them. Every line is one
measurement, in the fields that `load --json` prints, so that both can be run in turn and laid side by side.

    cargo run --release -p lienthong-tests --bin load -- --write-corpus DIR --units 4 --records 100000
    unshare -n sh -c 'ip link set lo up; python3 tests/peers/postgres.py DIR --units 4'
    unshare -n sh -c 'ip link set lo up; target/release/load --corpus DIR --units 4 --records 100000 --json'

Needs PostgreSQL 15 or later and openssl from the distribution's packages, nothing else; started by root it
runs the servers as the user `postgres`. Bytes on the wire are those of the loopback device: run it in a
network namespace of its own, as above.
"""

import argparse
import contextlib
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
HUB_PORT = 19999
SITE_PORT = 20000
STALL_SECONDS = 600
STEADY = 600

HUB_LIMITS = """wal_level=replica
max_logical_replication_workers={workers}
max_worker_processes={processes}
max_replication_slots={workers}
wal_retrieve_retry_interval=100ms
shared_buffers=512MB
max_wal_size=4GB
max_connections=100
"""
SITE_LIMITS = """wal_level=logical
max_replication_slots=4
max_wal_senders=4
shared_buffers=32MB
"""
COMMON = """listen_addresses='127.0.0.1'
port={port}
unix_socket_directories='{folder}'
ssl=on
ssl_cert_file='{tls}/server.crt'
ssl_key_file='{tls}/server.key'
ssl_ca_file='{tls}/ca.crt'
ssl_min_protocol_version='TLSv1.3'
fsync=on
full_page_writes=on
synchronous_commit=on
autovacuum=on
jit=off
log_min_messages=warning
"""


def binaries():
    """The folder of PostgreSQL's programs."""
    named = os.environ.get("PGBIN")
    found = [named] if named else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        sys.exit("PostgreSQL is not installed (apt-get install postgresql)")
    return found[-1]


def family(roots):
    """The processes that descend from these, themselves included."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as stat:
            parents.setdefault(int(stat.read().rsplit(")", 1)[1].split()[1]), []).append(int(name))
    found, waiting = [], list(roots)
    while waiting:
        process = waiting.pop()
        found.append(process)
        waiting += parents.get(process, [])
    return found


def cpu_seconds(roots):
    """User and system seconds, those of children that have ended included."""
    ticks = 0
    for process in family(roots):
        with contextlib.suppress(OSError), open(f"/proc/{process}/stat") as stat:
            ticks += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:15]))
    return ticks / TICKS


def pss_mib(roots):
    kib = 0
    for process in family(roots):
        with contextlib.suppress(OSError), open(f"/proc/{process}/smaps_rollup") as rollup:
            kib += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return kib / 1024


def wire_bytes():
    with open("/proc/net/dev") as devices:
        for line in devices:
            name, _, counts = line.partition(":")
            if name.strip() == "lo":
                return int(counts.split()[0])
    return 0


def disk_bytes(folder):
    return sum(
        os.lstat(os.path.join(where, name)).st_blocks * 512 for where, _, names in os.walk(folder) for name in names
    )


def percentiles(sample):
    ordered = sorted(sample)
    return {f"p{part}": round(ordered[len(ordered) * part // 100], 2) for part in (50, 90, 99)} | {"n": len(ordered)}


class Peak:
    """The most memory some processes take, looked at twice a second."""

    def __init__(self, roots):
        self.roots, self.most, self.over = roots, 0.0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        while not self.over.is_set():
            self.most = max(self.most, pss_mib(self.roots))
            self.over.wait(0.5)

    def end(self):
        self.over.set()
        self.thread.join()
        return max(self.most, pss_mib(self.roots))


class Session:
    """One psql that stays, so that a question costs no new connection."""

    END = "-- end --"

    def __init__(self, psql):
        self.process = subprocess.Popen(
            psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )

    def ask(self, query):
        """The answer's lines; columns stand apart by `|`."""
        self.process.stdin.write(f"{query};\n\\echo {self.END}\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.rstrip("\n") == self.END:
                return lines
            if line.startswith(("ERROR", "FATAL", "psql:")):
                raise RuntimeError(f"{query}: {line.strip()}")
            lines.append(line.rstrip("\n"))
        raise RuntimeError(f"psql ended at: {query}")

    def one(self, query):
        return self.ask(query)[0]


class Bench:
    def __init__(self, options):
        self.options = options
        self.bin = binaries()
        self.folder = tempfile.mkdtemp(prefix="peer-postgres-")
        os.chmod(self.folder, 0o755)
        self.tls = os.path.join(self.folder, "tls")
        self.processes = {}
        root = os.geteuid() == 0
        self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if root else []
        self.certificates()
        if root:
            subprocess.run(["chown", "-R", "postgres:", self.folder], check=True)

    def emit(self, what, **line):
        line = {"what": what, "peer": "postgres", "durable": self.options.durable, "k": self.options.units} | line
        print(json.dumps(line), flush=True)

    def certificates(self):
        """One authority, a certificate for the servers and one for who subscribes."""
        os.makedirs(self.tls)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.tls, check=True, capture_output=True)

        openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=peers", "-days", "2")
        with open(os.path.join(self.tls, "names"), "w") as names:
            names.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for name, subject in (("server", "localhost"), ("client", "subscriber")):
            request, key = f"{name}.csr", f"{name}.key"
            openssl("req", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={subject}")
            authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
            openssl("x509", "-req", "-in", request, "-out", f"{name}.crt", *authority)
            os.chmod(os.path.join(self.tls, key), 0o600)

    def cluster(self, name, port, limits):
        """Makes a cluster and starts it."""
        data = os.path.join(self.folder, name)
        initdb = [f"{self.bin}/initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        subprocess.run(self.as_user + initdb, check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(data, "postgresql.conf"), "w") as settings:
            settings.write(COMMON.format(port=port, folder=self.folder, tls=self.tls) + limits)
        with open(os.path.join(data, "pg_hba.conf"), "w") as access:
            access.write("local all all trust\nhostssl all subscriber 127.0.0.1/32 cert\n")
        with open(os.path.join(self.folder, f"{name}.log"), "a") as log:
            command = self.as_user + [f"{self.bin}/postgres", "-D", data]
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    def psql(self, port):
        return [f"{self.bin}/psql", "-h", self.folder, "-p", str(port), "-U", "postgres", "-d", "postgres", "-XAtq"]

    def session(self, port):
        for _ in range(300):
            ready = subprocess.run(self.psql(port) + ["-c", "select 1"], capture_output=True)
            if ready.returncode == 0:
                return Session(self.psql(port))
            time.sleep(0.1)
        sys.exit(f"PostgreSQL did not start on port {port}: see {self.folder}")

    def prepare(self):
        units = self.options.units
        for site in range(units):
            self.cluster(f"site-{site}", SITE_PORT + site, SITE_LIMITS)
        self.cluster("hub", HUB_PORT, HUB_LIMITS.format(workers=2 * units + 4, processes=2 * units + 12))
        self.sites = [self.session(SITE_PORT + site) for site in range(units)]
        self.hub = self.session(HUB_PORT)
        self.site_pids = [self.processes[f"site-{site}"].pid for site in range(units)]
        self.hub_pids = [self.processes["hub"].pid]
        table = "create table rec(id text primary key, doc jsonb not null)"
        steady = "create table steady(seq int primary key, doc jsonb not null)"
        for session in [self.hub, *self.sites]:
            session.ask(table)
            session.ask(steady)
        commit = "on" if self.options.durable else "off"
        for site, session in enumerate(self.sites):
            session.ask("create role subscriber replication login")
            session.ask("grant select on rec, steady to subscriber")
            session.ask("create publication changes for table rec, steady")
            connection = (
                f"host=127.0.0.1 port={SITE_PORT + site} user=subscriber dbname=postgres sslmode=verify-full "
                f"sslcert={self.tls}/client.crt sslkey={self.tls}/client.key sslrootcert={self.tls}/ca.crt"
            )
            with_ = f"copy_data=false, synchronous_commit={commit}"
            self.hub.ask(f"create subscription site_{site} connection '{connection}' publication changes with ({with_})")

    def records(self, site):
        with open(os.path.join(self.options.corpus, f"site-{site}.ndjson"), encoding="utf-8") as lines:
            return lines.read().splitlines()

    def line(self, on):
        for site in range(self.options.units):
            self.hub.ask(f"alter subscription site_{site} {'enable' if on else 'disable'}")
        if not on:
            time.sleep(1.5)

    def fill(self):
        """Commits the records of every site, each on its own, with the hub away."""
        begun, count = time.perf_counter(), 0
        for site, session in enumerate(self.sites):
            records = self.records(site)
            count += len(records)
            copy = "copy stage(doc) from stdin with (format csv, delimiter e'\\x01', quote e'\\x02')"
            session.ask("create table stage(n serial, doc jsonb)")
            feed = "\n".join(records) + "\n"
            psql = self.psql(SITE_PORT + site)
            subprocess.run(psql + ["-c", copy], input=feed, text=True, check=True, stdout=subprocess.DEVNULL)
            # The commits before the measurement need not wait for the disk: the checkpoint after them does.
            session.ask("set synchronous_commit=off")
            session.ask(
                "do $$ declare r record; begin for r in select doc from stage order by n loop "
                "insert into rec values (r.doc->>'id', r.doc); commit; end loop; end $$"
            )
            session.ask("set synchronous_commit=on")
            session.ask("drop table stage")
            session.ask("checkpoint")
        self.hub.ask("checkpoint")
        self.emit("filled", n=count, wall_s=round(time.perf_counter() - begun, 2))
        return count

    def position(self, site):
        return self.sites[site].one("select pg_current_wal_flush_lsn()")

    def until(self, positions, poll):
        """Waits until the hub has confirmed these positions."""
        begun, waiting = time.perf_counter(), dict(positions)
        while waiting:
            for site, position in list(waiting.items()):
                held = f"coalesce(bool_and(confirmed_flush_lsn >= '{position}'::pg_lsn), false)"
                query = f"select {held} from pg_replication_slots where slot_type = 'logical'"
                if self.sites[site].one(query) == "t":
                    del waiting[site]
            if waiting and time.perf_counter() - begun > STALL_SECONDS:
                sys.exit(f"stalled: sites {sorted(waiting)}")
            time.sleep(poll if waiting else 0)

    def catch_up(self, count):
        disk = disk_bytes(os.path.join(self.folder, "hub"))
        positions = {site: self.position(site) for site in range(self.options.units)}
        hub_peak, site_peak = Peak(self.hub_pids), Peak(self.site_pids[:1])
        before = wire_bytes(), cpu_seconds(self.site_pids), cpu_seconds(self.hub_pids)
        begun = time.perf_counter()
        self.line(on=True)
        self.until(positions, 0.02)
        wall = time.perf_counter() - begun
        after = wire_bytes(), cpu_seconds(self.site_pids), cpu_seconds(self.hub_pids)
        rows = int(self.hub.one("select count(*) from rec"))
        if rows != count:
            sys.exit(f"{rows} rows at the hub, {count} were written")
        wire, at_sites, at_hub = (now - then for now, then in zip(after, before))
        self.emit(
            "catch-up",
            n=count,
            wall_s=round(wall, 2),
            rec_s=round(count / wall),
            cpu_src=round(at_sites, 2),
            cpu_hub=round(at_hub, 2),
            cpu_us_per_rec=round((at_sites + at_hub) / count * 1e6, 1),
            wire_per_rec=round(wire / count, 1),
            hub_peak_pss=round(hub_peak.end(), 1),
            src_peak_pss=round(site_peak.end(), 1),
            hub_disk_per_rec=round((disk_bytes(os.path.join(self.folder, "hub")) - disk) / count, 1),
        )

    def one_change(self):
        for rep in range(1, 4):
            self.line(on=False)
            change = f"update rec set doc = doc || '{{\"v\": {rep}}}' where id = (select min(id) from rec)"
            self.sites[0].ask(change)
            position, before, begun = self.position(0), wire_bytes(), time.perf_counter()
            self.line(on=True)
            self.until({0: position}, 0.002)
            took = time.perf_counter() - begun
            time.sleep(2)
            wire = wire_bytes() - before
            per_site = round(wire / self.options.units)
            self.emit("one-change-reconnect", rep=rep, ms=round(took * 1000, 1), wire_all=wire, wire_per_site=per_site)

    def idle(self):
        everyone = self.hub_pids + self.site_pids
        before, cpu = wire_bytes(), cpu_seconds(everyone)
        time.sleep(60)
        per_site = round((wire_bytes() - before) / self.options.units)
        memory = pss_mib(self.site_pids) / self.options.units
        cpu = round(cpu_seconds(everyone) - cpu, 2)
        self.emit("idle-60s", wire_per_site_per_min=per_site, cpu_per_min=cpu, src_pss_mb=round(memory, 1))

    def steady(self):
        """One record every 10 ms at one site; how long until a read at the hub shows it."""
        seen, sent, commits = {}, [], []
        reader = self.session(HUB_PORT)

        def look():
            last, begun = -1, time.perf_counter()
            while last < STEADY - 1 and time.perf_counter() - begun < STALL_SECONDS:
                rows = reader.ask(f"select seq from steady where seq > {last} order by seq")
                now = time.perf_counter()
                for row in rows:
                    last = int(row)
                    seen[last] = now
                time.sleep(0.0005)

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        record = self.records(0)[0].replace("'", "''")
        following = time.perf_counter()
        for number in range(STEADY):
            begun = time.perf_counter()
            self.sites[0].ask(f"insert into steady values ({number}, '{record}')")
            sent.append(time.perf_counter())
            commits.append((sent[-1] - begun) * 1000)
            following += 0.01
            time.sleep(max(0.0, following - time.perf_counter()))
        thread.join(STALL_SECONDS)
        if len(seen) != STEADY:
            sys.exit(f"{len(seen)} of {STEADY} records were seen at the hub")
        visible = [(seen[number] - sent[number]) * 1000 for number in range(STEADY)]
        self.emit("latency", lat_ms=percentiles(visible), commit_ms=percentiles(commits))

    def measure(self):
        self.prepare()
        memory = pss_mib(self.site_pids) / self.options.units
        self.emit("idle-memory", src_pss_mb=round(memory, 1), hub_pss_mb=round(pss_mib(self.hub_pids), 1))
        self.line(on=False)
        self.catch_up(self.fill())
        if not self.options.catch_up_only:
            self.one_change()
            self.idle()
            self.steady()

    def close(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("corpus", help="folder of site-N.ndjson files, as `load --write-corpus` makes it")
    arguments.add_argument("--units", type=int, default=4, help="sites")
    arguments.add_argument("--durable", action="store_true", help="the hub confirms what is on its disk only")
    arguments.add_argument("--catch-up-only", action="store_true", help="ends after the catch-up")
    bench = Bench(arguments.parse_args())
    try:
        bench.measure()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
