"""A small site with accounts: notes that one keeps, shares with somebody, or shows to everybody.

Sign-up, login, forgotten passwords, sessions and API keys are the client's pages; what stands here is the site's own.
"""

import json
import os
import sqlite3
from html import escape, unescape
from pathlib import Path

from authnzerver_client import Client, KeyRing, Refused
from authnzerver_client.site import SECURITY_HEADERS, Site, current
from authnzerver_client.site.guards import login_required
from authnzerver_client.site.wsgi import Wsgi, may
from flask import Flask, abort, jsonify, redirect, render_template, request

app = Flask(__name__)
client = Client(os.environ["SITE_AUTH"], KeyRing.from_file(os.environ["SITE_KEY"]))
site = Site(
    "Notebook",
    [os.environ["SITE_ORIGIN"]],
    client.keys,
    render=lambda page: app.jinja_env.get_template("account.html").render(page=page, visit=page.visit),
    texts={"de": json.loads((Path(__file__).parent / "texts" / "de.json").read_text())},
    scopes="view:note",
    login_link=True,
    keep_days=14,
    static=["/static"],
)
site.guard("/desk", roles=["editor", "superuser"])
site.guard("/admin", roles=["superuser"])
site.guard("/api", key=("view", "note"))
app.wsgi_app = Wsgi(app.wsgi_app, site, client)
app.context_processor(lambda: {"visit": current()})

ROLES = ("authenticated", "editor", "superuser")
VISIBILITIES = ("private", "shared", "public")


@app.get("/")
def home():
    return render_template("home.html", notes=notes("visibility = 'public'"))


@app.get("/notes")
@login_required
def own_notes():
    visit = current()
    mine, others = notes("owner = ?", visit.user_id), notes("visibility = 'shared' AND owner != ?", visit.user_id)
    shared = [note for note in others if is_invited(note)]
    return render_template("notes.html", mine=mine, shared=shared)


@app.post("/notes")
@login_required
def new_note():
    visit = current()
    if not may(visit, "create", "note", owner=visit.user_id) or not has_room(visit):
        abort(403)
    row = (visit.user_id, visit.name, request.form.get("title", "")[:100] or "Untitled", request.form.get("text", "")[:10000])
    with database() as db:
        made = db.execute("INSERT INTO notes (owner, author, title, text) VALUES (?, ?, ?, ?)", row)
    return redirect(f"/notes/{made.lastrowid}", 303)


@app.get("/notes/<int:number>")
def note(number):
    one = note_for("view", number)
    return render_template("note.html", note=one, can={action: can(action, one) for action in ("edit", "share", "delete")})


@app.post("/notes/<int:number>/edit")
def edit_note(number):
    note_for("edit", number)
    change(number, title=request.form.get("title", "")[:100] or "Untitled", text=request.form.get("text", "")[:10000])
    return redirect(f"/notes/{number}", 303)


@app.post("/notes/<int:number>/share")
def share_note(number):
    note_for("share", number)
    visibility = request.form.get("visibility", "")
    if visibility not in VISIBILITIES:
        abort(400)
    change(number, visibility=visibility, invited=" ".join(request.form.get("invited", "").lower().split())[:1000])
    return redirect(f"/notes/{number}", 303)


@app.post("/notes/<int:number>/delete")
def delete_note(number):
    note_for("delete", number)
    with database() as db:
        db.execute("DELETE FROM notes WHERE id = ?", (number,))
    return redirect("/notes", 303)


@app.get("/desk")
def desk():
    return render_template("desk.html", notes=notes("visibility = 'public'"))


@app.post("/desk/<int:number>/withdraw")
def withdraw(number):
    note_for("withdraw", number)
    change(number, visibility="private")
    return redirect("/desk", 303)


@app.get("/admin")
def admin():
    words, ask = request.args.get("find", "").strip(), current().caller
    try:
        if "@" in words:
            users = [ask.user_lookup_email(email=words).user_info]
        elif words:
            # Names are stored as they stand in HTML.
            users = ask.user_lookup_match(by="full_name", match=escape(words), limit=50).user_info
        else:
            users = ask.user_list(user_id=None, limit=50, after=request.args.get("after", 0, int)).user_info
    except Refused:
        users = []
    return render_template("admin.html", users=users, words=words, roles=ROLES, unescape=unescape)


@app.post("/admin/<int:number>")
def administer(number):
    """The server decides whether this administrator may."""
    visit, role = current(), request.form.get("role")
    about = {"user_id": visit.user_id, "user_role": visit.role, "session_token": visit.session_token}
    try:
        if role:
            visit.caller.user_edit(**about, target_userid=number, update_dict={"user_role": role})
        else:
            visit.caller.user_lock(**about, target_userid=number, action=request.form.get("action", ""))
    except Refused as refused:
        return render_template("said.html", messages=refused.messages), 422
    return redirect("/admin", 303)


@app.get("/api/notes")
def api_notes():
    owner = request.environ["authnzerver"].key_owner
    return jsonify([{"id": one["id"], "title": one["title"], "text": one["text"]} for one in notes("owner = ?", owner)])


@app.errorhandler(403)
@app.errorhandler(404)
@app.errorhandler(OverflowError)
def said(error):
    # A number that no note has can be too great for the database.
    code = getattr(error, "code", 404)
    text = "You may not do this." if code == 403 else "There is no such page, or it is not for you."
    return render_template("said.html", messages=[text]), code


@app.after_request
def protect(response):
    # The style sheet is the same for everybody.
    if not request.path.startswith("/static/"):
        response.headers.extend(SECURITY_HEADERS)
    return response


def has_room(visit):
    """Whether the policy lets this user have one note more."""
    with database() as db:
        (count,) = db.execute("SELECT count(*) FROM notes WHERE owner = ?", (visit.user_id,)).fetchone()
    try:
        visit.caller.user_check_limit(user_id=visit.user_id, user_role=visit.role, limit_name="notes", value_to_check=count)
    except Refused:
        return False
    return True


def is_invited(note):
    """Invitations name addresses, so that nobody learns from them who has an account."""
    visit = current()
    return visit.is_logged_in and visit.session.email_verified and visit.session.email in note["invited"].split()


def can(action, note):
    """Whether the policy lets this visitor do something with a note."""
    visit = current()
    shared_with = [visit.user_id] if is_invited(note) else []
    about = {"owner": note["owner"], "visibility": note["visibility"], "shared_with": shared_with}
    return may(visit, action, "note", **about)


def note_for(action, number):
    """The note; one that is not for this visitor is not there."""
    found = notes("id = ?", number)
    if not found or not can(action, found[0]):
        abort(404)
    return found[0]


def notes(where, *values):
    with database() as db:
        return db.execute(f"SELECT * FROM notes WHERE {where} ORDER BY id DESC LIMIT 100", values).fetchall()


def change(number, **values):
    names = ", ".join(f"{name} = ?" for name in values)
    with database() as db:
        db.execute(f"UPDATE notes SET {names} WHERE id = ?", (*values.values(), number))


def database():
    db = sqlite3.connect(os.environ["SITE_DATA"])
    db.row_factory = sqlite3.Row
    db.execute(
        "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, author TEXT NOT NULL,"
        " title TEXT NOT NULL, text TEXT NOT NULL, visibility TEXT NOT NULL DEFAULT 'private', invited TEXT NOT NULL DEFAULT '')"
    )
    return db
