#!/usr/bin/env python3
"""TLS before a plain server on loopback: what comes in goes there in plain, and back.

    tls_front.py BEHIND CERTIFICATE KEY [--port N] [--trust FILE] [--old] [--rude]

    BEHIND        the port of the server
    --port N      to listen on; without it any free one
    --trust FILE  clients must show a certificate of an authority in it
    --old         speaks TLS 1.1 at most
    --rude        hangs up where the server does, without ending TLS

Says `listening PORT`, then of each client `sni NAME`, and `connection` when it is in; `trouble` when one goes wrong.
"""

import argparse
import select
import socket
import ssl
import threading

arguments = argparse.ArgumentParser()
arguments.add_argument("behind", type=int)
arguments.add_argument("certificate")
arguments.add_argument("key")
arguments.add_argument("--port", type=int, default=0)
arguments.add_argument("--trust")
arguments.add_argument("--old", action="store_true")
arguments.add_argument("--rude", action="store_true")
given = arguments.parse_args()


def say(*words):
    print(*words, flush=True)


def serve(peer, context):
    try:
        with context.wrap_socket(peer, server_side=True) as tls, \
                socket.create_connection(("127.0.0.1", given.behind)) as plain:
            say("connection")
            while True:
                for source in [tls] if tls.pending() else select.select([tls, plain], [], [])[0]:
                    data = source.recv(65536)
                    if data:
                        (plain if source is tls else tls).sendall(data)
                    elif source is tls or given.rude:
                        return
                    else:
                        tls.unwrap()
                        return
    except OSError as error:  # TLS's are, too
        say("trouble", error)


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(given.certificate, given.key)
    context.sni_callback = lambda _, name, __: say("sni", name)
    if given.trust:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(given.trust)
    if given.old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    door = socket.create_server(("127.0.0.1", given.port))
    say("listening", door.getsockname()[1])
    while True:
        peer, _ = door.accept()
        threading.Thread(target=serve, args=(peer, context), daemon=True).start()


main()
