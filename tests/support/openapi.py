"""Holds a running server to its own OpenAPI document: what it answers, and in which form."""
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BODY_METHODS = ("POST", "PUT", "PATCH")


def call(server, method, path, body=None, token=None, headers=None):
    head = {"Content-Type": "application/json", **(headers or {})}
    if token:
        head["Authorization"] = "Bearer " + token
    text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
    for _ in range(5):
        try:
            return server.request(method, path, text, headers=head)
        except (BrokenPipeError, ConnectionResetError):
            # A body past the limit is refused by its head; its sender may see the end first.
            continue
    raise AssertionError(f"{method} {path} was never answered")


class Witness:
    """Asks, judges each answer by the document, and remembers which statuses came."""

    def __init__(self, document):
        self.document, self.cases = document, []
        self.seen = collections.defaultdict(set)
        self.faults = []

    def operations(self):
        for pattern, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), pattern, operation

    def documented(self, method, pattern):
        responses = self.document["paths"][pattern][method.lower()]["responses"]
        return {int(status) for status in responses if status != "default"}

    def response(self, method, pattern, status):
        return self.document["paths"][pattern][method.lower()]["responses"].get(str(status))

    def ask(self, server, method, pattern, body=None, token="t-admin", headers=None, query="",
            **names):
        path = re.sub(r"\{([^}]*)\}", lambda m: str(names[m[1]]), pattern) + query
        answer = call(server, method, path, body, token, headers)
        self.judge(method, pattern, path, body, answer)
        return answer

    def judge(self, method, pattern, path, body, answer):
        self.seen[method, pattern].add(answer.status)
        operation = self.document["paths"][pattern][method.lower()]
        where = f"{method} {path}: {answer}"
        response = self.response(method, pattern, answer.status)
        if response is None:
            return self.faults.append(f"is not documented: {where}")
        self.judge_answer(where, response.get("content"), answer)
        if answer.status < 300 and isinstance(body, (dict, list)):
            content = operation.get("requestBody", {}).get("content")
            if content is None:
                return self.faults.append(f"takes a body that is not documented: {where}")
            self.check(f"body {body} of {where}", content["application/json"]["schema"], body)

    def judge_answer(self, where, content, answer):
        if content is None:
            if answer.body:
                self.faults.append(f"shows what is not documented: {where}")
            return
        [(media, described)] = content.items()
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        if kind != media:
            self.faults.append(f"is {kind}, not {media}: {where}")
        elif media == "application/json":
            self.check(where, described["schema"], json.loads(answer.body))

    def check(self, where, schema, value):
        self.cases.append({"where": where[:600], "schema": schema, "value": value})

    def judge_schemas(self, packages):
        """All bodies and answers at once, and the document itself."""
        done = subprocess.run([sys.executable, HERE / "check_schemas.py"], text=True,
                              input=json.dumps({"document": self.document, "cases": self.cases}),
                              capture_output=True, timeout=200,
                              env={**os.environ, "PYTHONPATH": str(packages)})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def never(self, elsewhere):
        """What is documented, was never answered and is not shown elsewhere either; and the lines
        (status, pattern of "METHOD /path", where) of `elsewhere` that were needed."""
        never, needed = [], []
        for method, pattern, _ in self.operations():
            for status in sorted(self.documented(method, pattern) - self.seen[method, pattern]):
                lines = (line for line in elsewhere
                         if line[0] == status and re.match(line[1], f"{method} {pattern}"))
                line = next(lines, None)
                (never if line is None else needed).append(line or (method, pattern, status))
        return never, [line for line in elsewhere if line in needed]
