"""One quiet client: sends the same request every 10 ms until it is killed, and prints each answer's
status and how many milliseconds after its request it came.

A process of its own with bare sockets: what it measures is the server, not the crowd of threads
that a test plays beside it. A request does not wait for the answer to the one before: it takes a
connection that is free, or a new one.

    python3 prober.py HOST PORT < request
"""
import selectors
import socket
import sys
import time

EVERY_S = 0.01
CONNECTIONS_MAX = 500


class Connection:
    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request):
        self.begun, self.got = time.monotonic(), b""
        self.socket.sendall(request)

    def receive(self):
        """The status, once the whole answer is there."""
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError("the server closed a connection")
        self.got += piece
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end:
            return None
        [length] = [int(line.split(b":")[1]) for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")]
        return int(head.split()[1]) if len(body) == length else None


def main(address):
    request = sys.stdin.buffer.read()
    selector, free, opened, due = selectors.DefaultSelector(), [], 0, time.monotonic()
    while True:
        for key, _ in selector.select(max(0, due - time.monotonic())):
            connection = key.data
            status = connection.receive()
            if status:
                took_ms = (time.monotonic() - connection.begun) * 1000
                print(status, f"{took_ms:.3f}", flush=True)
                free.append(connection)
        if time.monotonic() < due or (not free and opened == CONNECTIONS_MAX):
            continue
        due = time.monotonic() + EVERY_S
        if not free:
            free.append(Connection(address))
            opened += 1
            selector.register(free[-1].socket, selectors.EVENT_READ, free[-1])
        free.pop().send(request)


if __name__ == "__main__":
    main((sys.argv[1], int(sys.argv[2])))
