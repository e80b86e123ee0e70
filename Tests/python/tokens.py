"""Token files for tests, made without the service's own help."""

import hashlib
import os
import secrets


class TokenFile:
    """A token file; `add` gives a new token, the rest changes the file as an operator would."""

    def __init__(self, path):
        self.path, self.lines, self.secrets = path, [], []
        self.write()

    def __str__(self):
        return str(self.path)

    def add(self, name, role, prefix=None):
        token = secrets.token_urlsafe(24)
        self.secrets.append(token)
        self.lines.append(":".join([name, role, hashlib.sha256(token.encode()).hexdigest(),
                                    *([prefix] if prefix else [])]))
        self.write()
        return token

    def drop(self, name):
        self.lines = [line for line in self.lines if not line.startswith(f"{name}:")]
        self.write()

    def write(self, mode=0o600):
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in self.lines))
        new.chmod(mode)
        os.replace(new, self.path)


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}
