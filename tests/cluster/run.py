"""Two processes on a PostgreSQL with a synchronous standby, under load, while one after another everything fails that can. Needs a
network and mounts of its own: `make test-cluster` starts it in such namespaces."""

import argparse, contextlib, pathlib, shutil, signal, socket, struct, subprocess, tempfile, time, types
from cryptography.fernet import Fernet
from load import Client, Cluster, Guesser, Keys, Locker, Person, Probe, Process, Unknown, longest_gap
from postgres import Node, run, until

ROOT = pathlib.Path(__file__).parents[2]
# Within so many seconds service is back, as docs/scale.md promises: after a fault that shows at once, and after the promotion of a standby
# where the primary before has gone silent.
BACK_SECONDS, BACK_FROM_SILENCE_SECONDS = 5, 25
# How long a failover takes that somebody else decides on: from the loss of the primary to the promotion.
DECISION_SECONDS = 2
USERS = (64001, 64002)


class Test:
    def __init__(self, room, program, seconds):
        self.room, self.seconds = room, seconds
        run("ip", "link", "set", "lo", "up")
        # A disk of its own for the primary, so that it can be full.
        (room / "one").mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=700m,mode=0700", "tmpfs", room / "one")
        shutil.chown(room / "one", "postgres", "postgres")
        self.primary, self.standby = Node(room, "one/data", 5501), Node(room, "two", 5502)
        (room / "two").mkdir()
        shutil.chown(room / "two", "postgres", "postgres")
        run("rm", "-rf", room / "two")
        self.primary.make()
        self.standby.follow(self.primary)
        url = "postgresql://accounts@127.0.0.1:5501,127.0.0.1:5502/accounts?sslmode=disable"
        key, processes = Fernet.generate_key().decode(), []
        self.settings = {"AUTHNZERVER_SECRET": key, "AUTHNZERVER_PIISALT": "salt"}
        self.program, self.url = program, url
        for number, user in enumerate(USERS):
            processes.append(self.process(number, user))
            processes[-1].start()
            until(lambda: processes[-1].health()[0] == 200)
        self.cluster = Cluster(processes, Fernet(key))
        kinds = [Person] * 4 + [Locker] * 2 + [Keys] * 2 + [Guesser]
        self.clients = [kind(self.cluster, f"{kind.__name__.lower()}{number}") for number, kind in enumerate(kinds)]
        self.clients += [Probe(self.cluster, f"probe{process}", process) for process in (0, 1)]
        self.rows = []
        for client in self.clients:
            client.start()

    def process(self, number, user, **settings):
        directory = self.room / f"process-{number}"
        directory.mkdir(mode=0o700)
        shutil.chown(directory, user, user)
        return Process(self.program, directory, 5600 + number, user, self.url, dict(self.settings, **settings))

    def a_clock_is_wrong(self):
        clock = self.room / "clock"
        clock.write_text("+0s")
        library = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
        process = self.process(2, USERS[0], LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(clock), FAKETIME_NO_CACHE="1",
                               DONT_FAKE_MONOTONIC="1")
        process.start()
        until(lambda: process.health()[0] == 200)
        for wrong in ("+8s", "-8s"):
            clock.write_text(wrong)
            until(lambda: process.health()[0] == 500 and "clock" in process.health()[1]["Cause"])
            clock.write_text("+4s")
            until(lambda: process.health()[0] == 200)
        process.kill()
        for wrong in ("+8s", "-8s"):
            clock.write_text(wrong)
            process.start()
            assert process.process.wait(60) != 0, "it starts with a wrong clock"
            assert "clock" in (process.directory / "log").read_text().splitlines()[-1]
        print("a process whose clock is 8 s off says so, and does not start", flush=True)

    @contextlib.contextmanager
    def fault(self, name, survivors=(), within=BACK_SECONDS):
        """What happens within; afterwards it has to go on, and it has to have gone on all the time at the survivors."""
        cluster = self.cluster
        time.sleep(self.seconds / 2)
        begun, unknown = time.monotonic(), cluster.unknown
        yield
        healed = time.monotonic()
        until(lambda: all(times and times[-1] > healed for times in cluster.acknowledged), 120)
        back = max(min(at for at in times if at > healed) for times in cluster.acknowledged) - healed
        time.sleep(self.seconds / 2)
        ended = time.monotonic()
        gaps = [longest_gap(times, begun, ended) for times in cluster.acknowledged]
        everything = longest_gap(sum(cluster.acknowledged, []), begun, ended)
        self.rows.append((name, everything, gaps, back, cluster.unknown - unknown))
        print(f"{name}: {everything:.1f} s without service ({gaps[0]:.1f} and {gaps[1]:.1f} s at each process), back "
              f"{back:.1f} s after its end; {cluster.unknown - unknown} answers that are no verdict, {len(cluster.wrong)} wrong",
              flush=True)
        assert not cluster.wrong, cluster.wrong[:5]
        assert back <= within, f"{name}: not back within {within} s"
        for survivor in survivors:
            assert gaps[survivor] < 5, f"{name}: process {survivor} was affected for {gaps[survivor]:.1f} s"

    def a_process_is_killed(self):
        process = self.cluster.processes[0]
        with self.fault("a process is killed", survivors=[1]):
            process.kill()
            time.sleep(2)
            process.start()
            until(lambda: process.health()[0] == 200)

    def a_process_is_killed_behind_a_proxy(self):
        for program, config, words in (("haproxy", "haproxy.cfg", ["-db", "-f"]), ("caddy", "Caddyfile", ["run", "--adapter",
                                       "caddyfile", "--config"])):
            if shutil.which(program) is None:
                print(f"{program} is not here: not tried")
                continue
            text = (ROOT / "deploy" / config).read_text()
            (self.room / config).write_text(text.replace("13432", "5600").replace("13433", "5601"))
            with open(self.room / f"{program}.log", "w") as log:
                proxy = subprocess.Popen([program, *words, self.room / config], stdout=log, stderr=log)
            front = Cluster([types.SimpleNamespace(port=13431)], self.cluster.box, (502, 504))
            probe, process = Probe(front, program, 0), self.cluster.processes[0]
            probe.start()
            until(lambda: front.acknowledged[0])
            begun, before = time.monotonic(), front.unknown
            process.kill()
            time.sleep(6)
            process.start()
            until(lambda: process.health()[0] == 200)
            time.sleep(3)
            front.ending.set()
            probe.join(120)
            proxy.kill()
            proxy.wait()
            gap = longest_gap(front.acknowledged[0], begun, time.monotonic())
            print(f"a process is killed behind {program}: {gap:.1f} s without service, {front.unknown - before} answers that are no "
                  f"verdict, {len(front.wrong)} wrong", flush=True)
            assert not front.wrong and gap < BACK_SECONDS, front.wrong[:5]
            self.cluster.sessions.update(front.sessions)

    def connections_are_ended(self):
        end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'accounts'"
        with self.fault("connections are ended, again and again"):
            for _ in range(20):
                self.primary.sql(end)
                time.sleep(0.1)

    def no_connection_is_free(self):
        with self.fault("others take all connections"):
            taken = []
            for _ in range(200):
                connection = socket.create_connection(("127.0.0.1", self.primary.port))
                start = struct.pack("!i", 196608) + b"user\0accounts\0database\0postgres\0\0"
                connection.sendall(struct.pack("!i", len(start) + 4) + start)
                said = b""
                while not said.endswith(b"Z\0\0\0\5I") and (more := connection.recv(4096)):
                    said += more
                if said.endswith(b"Z\0\0\0\5I"):
                    taken.append(connection)
                else:
                    connection.close()
                    # Not even for an administrator is one left, so those of the processes are ended by their signal.
                    subprocess.run(["pkill", "-TERM", "--oldest", "--full", "postgres: accounts accounts"])
            time.sleep(3)
            for connection in taken:
                connection.close()

    def a_process_is_cut_off(self):
        rules = [f"OUTPUT -p tcp --dport {port} -m owner --uid-owner {USERS[0]} -j DROP".split() for port in (5501, 5502)]
        with self.fault("a process is cut off from the database", survivors=[1], within=BACK_FROM_SILENCE_SECONDS):
            for rule in rules:
                run("iptables", "-A", *rule)
            time.sleep(12)
            status, health = self.cluster.processes[0].health()
            assert status == 500 and not health["Health-Ok"], f"its health check says {status}, {health}"
            for rule in rules:
                run("iptables", "-D", *rule)

    def the_disk_is_full(self):
        with self.fault("the primary's disk is full"):
            ballast, before = self.room / "one/ballast", self.cluster.unknown

            def fill():
                """Also what it frees meanwhile, until writes fail."""
                with contextlib.suppress(OSError), open(ballast, "ab", 0) as file:
                    while True:
                        file.write(bytes(1 << 14))
                return self.cluster.unknown > before + 20
            until(fill)
            time.sleep(3)
            ballast.unlink()
            if not self.primary.takes_writes():
                time.sleep(2)
            if not self.primary.takes_writes():
                # Without room for its log it stops; whoever looks after it starts it again.
                self.primary.stop()
                self.primary.start()

    def fails_over(self, name, lose, gone, within):
        old = self.primary
        with self.fault(name, within=within):
            lose()
            time.sleep(DECISION_SECONDS)
            self.standby.promote()
        gone()
        self.primary, self.standby = self.standby, old
        self.standby.follow(self.primary)

    def the_primary_is_killed(self):
        self.fails_over("the primary is killed, the standby promoted", self.primary.kill, lambda: None, BACK_SECONDS)

    def the_primary_hangs(self):
        def gone():
            node.signal(signal.SIGKILL)
            node.signal(signal.SIGCONT)
            time.sleep(0.5)
        node = self.primary
        self.fails_over("the primary hangs, the standby is promoted", lambda: node.signal(signal.SIGSTOP), gone,
                        BACK_FROM_SILENCE_SECONDS)

    def the_primary_is_cut_off(self):
        node = self.primary
        rules = [f"INPUT -p tcp --{way} {node.port} -j DROP".split() for way in ("dport", "sport")]

        def cut():
            for rule in rules:
                run("iptables", "-A", *rule)

        def gone():
            # It must never take writes again that nobody else gets: it goes before the network is whole.
            node.kill()
            for rule in rules:
                run("iptables", "-D", *rule)
        self.fails_over("the primary is cut off, the standby promoted", cut, gone, BACK_FROM_SILENCE_SECONDS)

    def the_standby_is_gone(self):
        with self.fault("the standby is gone for a while"):
            self.standby.kill()
            time.sleep(4)
            self.standby.start()

    def compare(self):
        """Everything that was acknowledged is there, and nothing is there by half."""
        cluster, primary = self.cluster, self.primary
        cluster.ending.set()
        for client in self.clients:
            client.join(120)
        looks = Client(cluster, "looks")
        lost = [token for token in list(cluster.sessions)
                if not looks.persists_alone("session-exists", {"session_token": token})["success"]]
        rows = primary.sql("SELECT email || ' ' || user_id FROM users", "accounts").splitlines()
        users = dict(row.rsplit(" ", 1) for row in rows)
        lost += [email for email, user_id in cluster.users.items() if users.get(email) != str(user_id)]
        half = primary.sql(
            "SELECT count(*) FROM users WHERE user_id > 3 AND (SELECT count(*) FROM (SELECT user_id FROM events WHERE kind = "
            "'account.added' OR kind = 'account.signed-up' UNION ALL SELECT user_id FROM event_queue WHERE kind = 'account.added' "
            "OR kind = 'account.signed-up') AS noted WHERE noted.user_id = users.user_id) <> 1", "accounts")
        half = int(half) + int(primary.sql("SELECT count(*) FROM users FULL JOIN locks USING (user_id) WHERE user_id > 3 AND (user_role = 'locked' "
                                           "AND is_active = 0 AND email_verified = 1) <> (cause IS NOT NULL)", "accounts"))
        return lost, half


def persists_alone(self, request, body):
    while True:
        with contextlib.suppress(Unknown):
            return self.ask(request, body)


Client.persists_alone = persists_alone


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default=ROOT / "target/debug/authnzerver")
    parser.add_argument("--seconds", type=float, default=6, help="of load around each fault")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    room = pathlib.Path(tempfile.mkdtemp(prefix="cluster-"))
    room.chmod(0o711)
    shutil.chown(room, "postgres", "postgres")
    # The processes run as users who may not come to where it was built.
    program = shutil.copy(arguments.server, room / "authnzerver")
    program.chmod(0o755)
    test = Test(room, program, arguments.seconds)
    faults = [test.a_clock_is_wrong, test.a_process_is_killed, test.a_process_is_killed_behind_a_proxy,
              test.connections_are_ended, test.no_connection_is_free, test.a_process_is_cut_off,
              test.the_standby_is_gone, test.the_disk_is_full, test.the_primary_is_killed, test.the_primary_hangs,
              test.the_primary_is_cut_off]
    try:
        for _ in range(arguments.rounds):
            for fault in faults:
                if arguments.only in fault.__name__:
                    fault()
        lost, half = test.compare()
    finally:
        test.cluster.ending.set()
        for process in test.cluster.processes:
            process.process.kill()
        for node in (test.primary, test.standby):
            node.signal(signal.SIGCONT)
            node.stop()
        run("umount", "-l", room / "one")
    cluster = test.cluster
    print(f"{len(test.rows)} faults, {cluster.count} answers, {cluster.unknown} that are no verdict, the slowest after "
          f"{cluster.slowest:.1f} s; {len(cluster.users)} sign-ups and {len(cluster.sessions)} sessions acknowledged, "
          f"{len(lost)} lost, {half} half there, {len(cluster.wrong)} wrong verdicts")
    assert not lost and not half and not cluster.wrong, (lost[:5], half, cluster.wrong[:5])
    shutil.rmtree(room, ignore_errors=True)


main()
