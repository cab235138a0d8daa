"""A stand-in of the Hub: the calls that huggingface_hub makes for a model."""

import base64
import hashlib
import http.server
import json
import re
import threading
import urllib.parse

__all__ = ["OWNER", "READER", "StandIn"]

# Tokens: one that may write as "me", one that may only read.
OWNER, READER = "hf_owner", "hf_reader"


class StandIn:
    """Repositories of models in memory, served on 127.0.0.1.

    Attributes:
        url: str, its address, for `HF_ENDPOINT`.
        repositories: dictionary from names to `Repository`.
        requests: list of (method, path) as they came.
    """

    def __init__(self):
        self.repositories = {}
        self.blobs = {}
        self.requests = []
        stand_in = self

        class Handler(_Handler):
            hub = stand_in

        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), Handler
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Repository:
    """Commits by their ids, and the newest of each branch."""

    def __init__(self, private):
        self.private = private
        self.commits = {}
        self.branches = {}
        self.commit("main", {})

    def commit(self, branch, files):
        text = json.dumps([len(self.commits), sorted(files)])
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def find(self, revision):
        """The id of a commit, or None."""
        oid = self.branches.get(revision, revision)
        return oid if oid in self.commits else None


class Refused(Exception):
    """An answer of status 400 or more."""


class _Handler(http.server.BaseHTTPRequestHandler):
    # HTTP/1.0, which closes each connection: none outlives the server.

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self._answer(self._get)

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def do_PUT(self):
        self._answer(self._put)

    def _answer(self, method):
        path, _, query = self.path.partition("?")
        self.hub.requests.append((self.command, path))
        length = int(self.headers.get("Content-Length") or 0)
        # Nothing a test sends is larger.
        self.body = self.rfile.read(min(length, 1 << 24))
        header = self.headers.get("Authorization") or ""
        self.token = header.removeprefix("Bearer ")
        path = urllib.parse.unquote(path)
        try:
            status, headers, content = method(path)
        except Refused as error:
            status, code, *message = error.args
            headers = {"X-Error-Code": code} if code else {}
            if message:
                headers["X-Error-Message"] = message[0]
            content = {"error": code or "refused"}
        if isinstance(content, dict | list):
            headers["Content-Type"] = "application/json"
            content = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _repository(self, name):
        if name == "me/broken":
            raise Refused(500, None)
        if self.token not in ("", OWNER, READER):
            raise Refused(
                401, None, "Invalid credentials in Authorization header"
            )
        found = self.hub.repositories.get(name)
        if found is None or (found.private and self.token != OWNER):
            # As the Hub: who is not logged in does not learn which it is.
            raise Refused(404 if self.token else 401, "RepoNotFound")
        return found

    def _commit(self, repository, revision):
        oid = repository.find(revision)
        if oid is None:
            raise Refused(404, "RevisionNotFound")
        return oid

    def _may_write(self, name):
        if self.token not in (OWNER, READER):
            raise Refused(401, None)
        if self.token == READER or not name.startswith("me/"):
            raise Refused(403, None)

    def _get(self, path):
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)", path):
            return self._info(found[1], "main")
        if found := re.fullmatch(
            r"/api/models/([^/]+/[^/]+)/(revision|tree)/(.+)", path
        ):
            if found[2] == "revision":
                return self._info(found[1], found[3])
            repository = self._repository(found[1])
            files = repository.commits[self._commit(repository, found[3])]
            tree = [_entry(name, files[name]) for name in sorted(files)]
            return 200, {}, tree
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            repository = self._repository(found[1])
            oid = self._commit(repository, found[2])
            if found[3] not in repository.commits[oid]:
                raise Refused(404, "EntryNotFound")
            content = repository.commits[oid][found[3]]
            entry = _entry(found[3], content)
            etag = entry.get("lfs", entry)["oid"]
            return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": oid}, content
        raise Refused(404, None)

    def _info(self, name, revision):
        repository = self._repository(name)
        oid = self._commit(repository, revision)
        return (
            200,
            {},
            {
                "_id": name,
                "id": name,
                "modelId": name,
                "sha": oid,
                "private": repository.private,
                "siblings": [{"rfilename": x} for x in repository.commits[oid]],
            },
        )

    def _post(self, path):
        known = self.hub.repositories
        if path == "/api/validate-yaml":
            content = json.loads(self.body)["content"]
            if "license: forbidden" in content:
                errors = [{"message": '"license" must be one of [...]'}]
                return 400, {}, {"errors": errors, "warnings": []}
            return 200, {}, {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            asked = json.loads(self.body)
            name = f"{asked['organization']}/{asked['name']}"
            self._may_write(name)
            answer = {"url": f"{self.hub.url}/{name}"}
            if name in known:
                return 409, {}, answer
            private = asked.get("visibility") == "private"
            known[name] = Repository(private or asked.get("private", False))
            return 200, {}, answer
        if found := re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            self._may_write(found[1])
            objects = json.loads(self.body)["objects"]
            for item in objects:
                if item["oid"] not in self.hub.blobs:
                    href = f"{self.hub.url}/upload/{item['oid']}"
                    item["actions"] = {"upload": {"href": href}}
            return 200, {}, {"transfer": "basic", "objects": objects}
        found = re.fullmatch(
            r"/api/models/([^/]+/[^/]+)/(branch|preupload|commit)/(.+)", path
        )
        name, action, revision = found.groups()
        repository = self._repository(name)
        self._may_write(name)
        if action == "branch":
            if revision in repository.branches:
                return 409, {}, {"error": "it exists"}
            main = repository.branches["main"]
            repository.branches[revision] = main
            return 200, {}, {}
        oid = self._commit(repository, revision)
        files = dict(repository.commits[oid])
        if action == "preupload":
            asked = json.loads(self.body)["files"]
            return 200, {}, {"files": [_mode(x, files) for x in asked]}
        for line in self.body.splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif item["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.commit(revision, files)
        url = f"{self.hub.url}/{name}/commit/{oid}"
        return 200, {}, {"commitUrl": url, "commitOid": oid, "success": True}

    def _put(self, path):
        oid = hashlib.sha256(self.body).hexdigest()
        assert path == f"/upload/{oid}"
        self.hub.blobs[oid] = self.body
        return 200, {"ETag": oid}, b""


def _is_large(name):
    return name.endswith((".keras", ".npz", ".png"))


def _mode(asked, files):
    path = asked["path"]
    mode = "lfs" if _is_large(path) else "regular"
    answer = {"path": path, "uploadMode": mode, "shouldIgnore": False}
    if path in files:
        entry = _entry(path, files[path])
        answer["oid"] = entry.get("lfs", entry)["oid"]
    return answer


def _entry(name, content):
    blob = f"blob {len(content)}\0".encode() + content
    entry = {
        "type": "file",
        "path": name,
        "size": len(content),
        "oid": hashlib.sha1(blob).hexdigest(),
    }
    if _is_large(name):
        oid = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"oid": oid, "size": len(content), "pointerSize": 134}
    return entry
