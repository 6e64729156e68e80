"""Builds the image from a release's archive without a daemon, as root; runs what its configuration says in its root, where there is
nothing but the program; and has Caddy stand in front of it as in deploy/image/compose.yml. The network is this test's own.

    image.py --archive=authnzerver-….tar.gz [--buildah=buildah] [--caddy=caddy]"""

import argparse, contextlib, json, os, pathlib, signal, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).parents[2]
IMAGE = ROOT / "deploy/image"
PATIENCE_SECONDS = 60
PORT = 13431
# Whom the network of compose.yml and the world's DNS know.
HOSTS = "127.0.0.1 localhost authnzerver auth.example.org\n"


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def eventually(what, holds):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.1)


def build(buildah, archive, room):
    """The image's configuration, and its root."""
    run("tar", "xf", archive, "-C", room)
    store = [buildah, "--storage-driver=vfs", f"--root={room}/store", f"--runroot={room}/run"]
    run(*store, "build", "--isolation=chroot", "--format=docker", "-f", "deploy/image/Dockerfile", "-t", "authnzerver", ".",
        cwd=room / archive.name.removesuffix(".tar.gz"))
    container = run(*store, "from", "authnzerver:latest")
    about = json.loads(run(*store, "inspect", "--type=image", "authnzerver:latest"))["Docker"]["config"]
    return about, pathlib.Path(run(*store, "mount", container))


def entered(about, root):
    """What a runtime does before it starts the program."""
    user, group = map(int, about["User"].split(":"))

    def enter():
        os.chroot(root)
        os.chdir(about["WorkingDir"])
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    return enter


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--archive", required=True, type=pathlib.Path)
    for name in ("buildah", "caddy"):
        parser.add_argument(f"--{name}", default=name)
    arguments = parser.parse_args()
    run("ip", "link", "set", "lo", "up")
    with tempfile.TemporaryDirectory(prefix="image-") as room, contextlib.ExitStack() as ending:
        room = pathlib.Path(room)
        about, root = build(arguments.buildah, arguments.archive, room)
        ending.callback(lambda: subprocess.run(["umount", "-l", root], capture_output=True))
        assert (about["User"], list(about["Volumes"])) == ("65532:65532", ["/data"]), about
        assert sorted(entry.name for entry in root.iterdir()) == ["authnzerver", "data"], "something else is in the image"
        data = (root / "data").stat()
        assert (data.st_uid, data.st_gid, data.st_mode & 0o777) == (65532, 65532, 0o700), oct(data.st_mode)

        enter = entered(about, root)
        settings = dict(setting.split("=", 1) for setting in about["Env"])
        settings["AUTHNZERVER_ALLOWEDHOSTS"] = compose_setting("AUTHNZERVER_ALLOWEDHOSTS")
        settings["AUTHNZERVER_PWNEDURL"] = "none"
        server = subprocess.Popen([*about["Entrypoint"], *about["Cmd"]], env=settings, preexec_fn=enter)
        ending.callback(server.kill)
        kind, *healthy = about["Healthcheck"]["Test"]
        assert kind == "CMD", about["Healthcheck"]
        check = lambda: subprocess.run(healthy, env=settings, preexec_fn=enter, capture_output=True, text=True)
        eventually("the image is healthy", lambda: check().returncode == 0)
        print(check().stdout.strip())

        hosts = room / "hosts"
        hosts.write_text(HOSTS)
        run("mount", "--bind", hosts, "/etc/hosts")
        # No certificate authority of the world signs what is tried here.
        caddyfile = room / "Caddyfile"
        caddyfile.write_text("{\n\tlocal_certs\n\tskip_install_trust\n\tadmin off\n}\n" + (IMAGE / "Caddyfile").read_text())
        environment = dict(os.environ, XDG_DATA_HOME=str(room / "caddy"), XDG_CONFIG_HOME=str(room / "caddy"))
        run(arguments.caddy, "validate", "--adapter=caddyfile", "--config", IMAGE / "Caddyfile", env=environment)
        with open(room / "caddy.log", "w") as log:
            caddy = subprocess.Popen([arguments.caddy, "run", "--adapter=caddyfile", "--config", caddyfile], env=environment, stdout=log, stderr=log)
        ending.callback(caddy.kill)
        authority = room / "caddy/caddy/pki/authorities/local/root.crt"
        eventually("Caddy has certificates", authority.exists)
        outside = dict(environment, SSL_CERT_FILE=str(authority))
        program = [ROOT / f"dist/authnzerver-{os.uname().machine}", f"--basedir={root}/data"]
        url = "--url=https://auth.example.org"
        eventually("Caddy passes requests on", lambda: subprocess.run([*program, "health", url], env=outside, capture_output=True).returncode == 0)
        visitor = {"ip_address": "192.0.2.7", "user_agent": "Browser/1.0", "user_id": None, "expires": 1, "extra_info_json": None}
        token = json.loads(run(*program, "call", "session-new", json.dumps(visitor), url, env=outside))["response"]["session_token"]
        run(*program, "call", "session-exists", json.dumps({"session_token": token}), url, env=outside)
        # The metrics stay inside.
        refused = run("curl", "--silent", "--cacert", authority, "--output", "/dev/null", "--write-out", "%{http_code}", "https://auth.example.org/metrics")
        assert refused == "404", refused
        run("umount", "/etc/hosts")
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_SECONDS) == 0
    print("image: built, healthy, asked through Caddy, stopped: all is well")


def compose_setting(name):
    """A setting of the server in compose.yml, read as the text that it is."""
    lines = (IMAGE / "compose.yml").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.strip().startswith(f"{name}:"))


if os.environ.get("INSIDE") != "1":
    os.execvpe("unshare", ["unshare", "--net", "--mount", "--propagation=private", sys.executable, "-B", *sys.argv], dict(os.environ, INSIDE="1"))
main()
