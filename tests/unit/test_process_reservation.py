"""Ports: found free, and the shared one kept from others."""

from __future__ import annotations

import socket

import pytest

from adapters.processes.reservation import PortsUnavailableError, Wanted, reserve

SHARED = Wanted(setting="grpc", host="127.0.0.1", port=0, shared=True)


def listen(port: int, *, shared: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if shared:
        # Both, as grpc has it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def test_free_ports_are_all_different() -> None:
    """Port 0 for each must not find the same port twice."""
    wanted = [Wanted(setting=str(number), host="127.0.0.1", port=0) for number in range(50)]
    with reserve(wanted) as reservation:
        assert len(set(reservation.ports.values())) == 50


def test_the_shared_port_is_kept_from_strangers_while_workers_come_and_go() -> None:
    """Between the death of the last worker and its successor another program could take the port."""
    with reserve([SHARED]) as reservation:
        port = reservation.ports["grpc"]
        with pytest.raises(OSError, match="Address already in use"):
            listen(port, shared=False)
        with pytest.raises(PortsUnavailableError, match=r"grpc\.port"):
            reserve([Wanted(setting="grpc", host="127.0.0.1", port=port, shared=True)])
    listen(port, shared=False).close()


def test_the_holder_takes_no_connection() -> None:
    """A call that lands on a socket nobody accepts from would wait for its deadline."""
    with reserve([SHARED]) as reservation:
        port = reservation.ports["grpc"]
        with listen(port, shared=True) as worker:
            worker.settimeout(10)
            for _ in range(20):
                with socket.create_connection(("127.0.0.1", port), timeout=10):
                    worker.accept()[0].close()


def test_connections_of_an_earlier_run_do_not_block_a_new_one() -> None:
    """The side that closes first keeps the port in TIME_WAIT for a minute; a restart must not wait for that."""
    with reserve([SHARED]) as reservation:
        port = reservation.ports["grpc"]
        with listen(port, shared=True) as worker, socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
            accepted = worker.accept()[0]
            accepted.close()
            assert caller.recv(1) == b""
    with reserve([Wanted(setting="grpc", host="127.0.0.1", port=port, shared=True)]):
        listen(port, shared=True).close()


def test_a_name_that_does_not_resolve_is_told_as_such() -> None:
    """An operator's typing mistake, named with its setting."""
    with pytest.raises(PortsUnavailableError, match=r"nowhere\.invalid \(http\.host\) cannot be resolved"):
        reserve([Wanted(setting="http", host="nowhere.invalid", port=0)])


def test_ipv6_addresses_are_understood() -> None:
    """`::1` is loopback too."""
    with reserve([Wanted(setting="grpc", host="::1", port=0, shared=True)]) as reservation:
        assert reservation.ports["grpc"] > 0
