"""The protocol of logship, written from its description and nothing else.

    logship.py rx PORT DIR            one thread for each connection; writes through a
                                      buffer of 4096 bytes, flushed at the end alone
    logship.py tx PORT NAME FILE      reads the file ten times a second, for ever

Both are as the older tool is: one receive is a header, or an answer; no limit on time;
a file is opened once and never looked at again.
"""

import os
import socket
import sys
import threading
import time


def receive_one(conn, directory):
    peer = conn.getpeername()[0]
    header = conn.recv(4096)
    name = header.split(b"\n")[0].strip().decode()
    path = os.path.join(directory, peer + "_" + name)
    with open(path, "ab", buffering=4096) as out:
        conn.sendall(b"%d\n" % os.fstat(out.fileno()).st_size)
        while True:
            try:
                data = conn.recv(4096)
            except ConnectionResetError:
                break
            if not data:
                break
            out.write(data)
    conn.close()


def receive(port, directory):
    os.makedirs(directory, exist_ok=True)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(5)
    print("listening on", listener.getsockname()[1], flush=True)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=receive_one, args=(conn, directory), daemon=True).start()


def transmit(port, name, path):
    while True:
        try:
            conn = socket.create_connection(("127.0.0.1", port), timeout=60)
            conn.sendall(name.encode() + b"\n")
            offset = int(conn.recv(4096).decode().strip())
            print("offset", offset, flush=True)
            with open(path, "rb") as source:
                source.seek(offset)
                while True:
                    data = source.read(4096)
                    if data:
                        conn.sendall(data)
                    else:
                        time.sleep(0.1)
        except (OSError, ValueError) as err:
            print("error", err, flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "rx":
        receive(int(sys.argv[2]), sys.argv[3])
    else:
        transmit(int(sys.argv[2]), sys.argv[3], sys.argv[4])
