"""Connections to mail servers: shared, used again, pipelined; and servers that refuse, hang, break off, lie or are somebody
else's."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import monotonic

import pytest

from brickwork.notify.channels import Outgoing, PermanentFailure, Receipt, TemporaryFailure, Throttled
from brickwork.notify.channels.email.replies import refused

from .conftest import PATIENCE
from .mailserver import USER, certificate


def letters(count, start=0):
    return [
        Outgoing(id=f"m{n}", address=f"kim{n}@example.org", subject=f"m{n}", text="hello") for n in range(start, start + count)
    ]


def all_taken(outcomes):
    return all(isinstance(outcome, Receipt) for outcome in outcomes)


# -- connections -----------------------------------------------------------------------------------------------------------


def test_one_connection_carries_many_messages_and_no_more_than_it_may(mail_server, email_to):
    server = mail_server()
    channel = email_to(server, connections=1, messages_per_connection=5)
    assert all_taken(channel.send_many(letters(12)))
    assert len(server.handler.sessions) == 3
    for message in letters(3, 12):
        channel.send(message)
    assert len(server.handler.sessions) == 3


def test_many_messages_use_several_connections(mail_server, email_to):
    server = mail_server()
    assert all_taken(email_to(server, connections=3).send_many(letters(60)))
    assert len(server.handler.sessions) == 3


def test_a_connection_that_the_server_ended_meanwhile_costs_nothing(scripted, email_to):
    taken = []

    def once(talk):
        """Each connection is good for one message, and then closed without a word."""
        talk.greet()
        talk.hear(), talk.say("250 ok"), talk.hear(), talk.say("250 ok"), talk.hear(), talk.say("354 go")
        taken.append(talk.body())
        talk.say("250 ok")

    server = scripted(once)
    channel = email_to(server, check_after=60)
    for message in letters(3):
        channel.send(message)
    assert all_taken(channel.send_many(letters(3)))
    assert len(taken) == 6


def test_a_connection_at_rest_is_asked_before_it_is_used(mail_server, email_to):
    server = mail_server()
    channel = email_to(server, check_after=0)
    for message in letters(3):
        channel.send(message)
    assert len(server.handler.sessions) == 1
    server.handler.sessions.clear()
    aged = email_to(server, idle=0.01)
    for message in letters(3):
        aged.send(message)
        time.sleep(0.02)
    assert len(server.handler.sessions) == 3


def test_a_closed_channel_sends_nothing(mail_server, email_to):
    channel = email_to(mail_server())
    channel.close()
    with pytest.raises(TemporaryFailure, match="closed"):
        channel.send(letters(1)[0])
    assert not channel.health().ok


def test_who_waits_too_long_for_a_connection_is_told(mail_server, email_to):
    server = mail_server()
    server.handler.behaviours |= {f"kim{n}@example.org": "hang" for n in range(2)}
    channel = email_to(server, connections=1)
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda message: channel.send_many([message])[0], letters(2)))
    assert all(isinstance(outcome, TemporaryFailure) for outcome in outcomes)


# -- pipelining ------------------------------------------------------------------------------------------------------------


class Recorder:
    """Speaks SMTP with pipelining and keeps what came in before each answer was given."""

    def __init__(self, refuse=(), nothing_for_nobody=True, features=("PIPELINING", "DSN", "SIZE 1000000")):
        self.commands, self.bodies, self.groups = [], [], []
        self._refuse, self._strict, self._features = refuse, nothing_for_nobody, features

    def __call__(self, talk):
        talk.greet(*self._features)
        sender = recipient = None
        while True:
            line = talk.hear()
            self.commands.append(line)
            self.groups.append(talk.more())
            verb = line[:4].upper()
            if verb == "MAIL":
                if sender:
                    talk.say("503 5.5.1 nested MAIL")
                    continue
                sender = line
                talk.say("250 ok")
            elif verb == "RCPT":
                bad = any(name in line for name in self._refuse)
                recipient = None if bad else line
                talk.say("550 5.1.1 unknown" if bad else "250 ok")
            elif verb == "DATA":
                if recipient is None and self._strict:
                    talk.say("554 no valid recipients")
                    continue
                talk.say("354 go")
                body = talk.body()
                if recipient:
                    self.bodies.append(body)
                talk.say("250 ok" if recipient else "554 no valid recipients")
                sender = recipient = None
            elif verb == "RSET":
                sender = recipient = None
                talk.say("250 ok")
            elif verb == "QUIT":
                talk.say("221 bye")
                return
            else:
                talk.say("250 ok")


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("strict", [True, False], ids=["refuses-data-for-nobody", "takes-data-for-nobody"])
def test_a_refused_recipient_spoils_nothing_for_the_next(scripted, email_to, pipelining, strict):
    recorder = Recorder(refuse=("kim1@", "kim2@", "kim5@"), nothing_for_nobody=strict)
    channel = email_to(scripted(recorder), connections=1, pipelining=pipelining)
    outcomes = channel.send_many(letters(6))
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == [True, False, False, True, True, False]
    assert all(outcome.suppress for outcome in outcomes if not isinstance(outcome, Receipt))
    assert ["Subject: m0" in body for body in recorder.bodies] == [True, False, False]
    assert len(recorder.bodies) == 3


def test_commands_go_together_where_the_server_allows_it(scripted, email_to):
    def groups(*features):
        recorder = Recorder(features=features)
        email_to(scripted(recorder), connections=1).send_many(letters(3))
        return [(line[:4], more) for line, more in zip(recorder.commands, recorder.groups, strict=True)]

    together = groups("PIPELINING")
    assert together == [("MAIL", True), ("RCPT", True), ("DATA", False)] * 3
    assert not any(more for _, more in groups("8BITMIME"))


def test_a_message_costs_one_round_trip(scripted, email_to):
    """Counted by what the client writes before it waits; without pipelining a message takes four."""

    def trips(pipelining):
        server, written = scripted(Recorder()), []
        relay = scripted(lambda talk: _relayed(talk, server.port, written))
        assert all_taken(email_to(relay, connections=1, pipelining=pipelining, timeout=5).send_many(letters(20)))
        return len(written)

    assert trips(pipelining=True) <= 1 + 20 + 1 + 5, "EHLO, the messages, the last one's end; some are torn on the way"
    assert trips(pipelining=False) >= 4 * 20


def _relayed(talk, port, written):
    """Passes bytes on, and keeps what the client wrote."""

    def pump(source, target, kept):
        with suppress(OSError):
            while data := source.recv(65_536):
                kept.append(data)
                target.sendall(data)

    with socket.create_connection(("127.0.0.1", port)) as other:
        back = threading.Thread(target=pump, args=(other, talk.connection, []), daemon=True)
        back.start()
        pump(talk.connection, other, written)
        other.shutdown(socket.SHUT_WR)
        back.join()


def test_the_id_goes_along_where_the_server_reports_deliveries(scripted, email_to):
    recorder = Recorder()
    email_to(scripted(recorder)).send(letters(1)[0])
    size = len("\r\n".join(recorder.bodies[0])) + 2
    assert recorder.commands[:2] == [
        f"MAIL FROM:<no-reply@clinic.example> SIZE={size} RET=HDRS ENVID=m0",
        "RCPT TO:<kim0@example.org> NOTIFY=FAILURE,DELAY",
    ]


def test_an_international_address_needs_a_server_that_takes_it(scripted, email_to):
    recorder = Recorder()
    channel = email_to(scripted(recorder), connections=1)
    odd = Outgoing(id="odd", address="kïm@example.org", text="x")
    outcomes = channel.send_many([letters(1)[0], odd, *letters(1, 1)])
    assert isinstance(outcomes[1], PermanentFailure)
    assert "SMTPUTF8" in str(outcomes[1])
    assert len(recorder.bodies) == 2


# -- servers that refuse ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text", "kind", "suppress"),
    [
        (550, "5.1.1 no such user", PermanentFailure, True),
        (550, "5.1.2 no such domain", PermanentFailure, True),
        (556, "5.1.10 takes no mail", PermanentFailure, True),
        (550, "5.2.1 mailbox disabled", PermanentFailure, True),
        (552, "5.2.2 mailbox full", PermanentFailure, False),
        (550, "5.7.1 policy", PermanentFailure, False),
        (550, "no such user, perhaps", PermanentFailure, False),
        (550, "5.1.1x is no code", PermanentFailure, False),
        (554, "5.7.26 unauthenticated", PermanentFailure, False),
        (451, "4.7.1 greylisted, come back in 300 s", TemporaryFailure, None),
        (450, "4.1.1 can't verify now", TemporaryFailure, None),
        (452, "4.2.2 mailbox full", TemporaryFailure, None),
        (421, "4.7.28 too much mail from you", Throttled, None),
        (451, "4.4.5 congested", Throttled, None),
        (550, "4.2.0 its class says later", TemporaryFailure, None),
        (450, "5.1.1 its class says never", PermanentFailure, True),
        (250, "2.0.0 fine, to the wrong question", TemporaryFailure, None),
        (199, "", TemporaryFailure, None),
    ],
)
def test_the_enhanced_status_code_decides(code, text, kind, suppress):
    error = refused(code, text.encode(), "the recipient")
    assert type(error) is kind
    assert getattr(error, "suppress", None) is suppress
    assert error.provider_code.startswith(str(code))


def test_what_a_server_says_is_cut_and_cleaned():
    error = refused(550, b"5.7.1 \x1b[31m" + "\u2028".encode() + b"\xff" + b"x" * 5000 + b"\nsecond", "the message")
    assert len(str(error)) < 400
    assert "\x1b" not in str(error)
    assert "\n" not in str(error)


def test_a_refusal_at_each_step_is_the_messages_own(mail_server, email_to):
    server = mail_server()
    server.handler.replies |= {"kim1@example.org": "554 5.6.0 no", "kim2@example.org": "451 4.3.0 later"}
    outcomes = email_to(server, connections=1).send_many(letters(4))
    assert [type(outcome) for outcome in outcomes] == [Receipt, PermanentFailure, TemporaryFailure, Receipt]
    assert [outcome.provider_code for outcome in outcomes[1:3]] == ["554 5.6.0", "451 4.3.0"]
    assert not outcomes[2].uncertain


def test_a_wrong_password_is_no_messages_fault_and_is_not_told(mail_server, email_to, localhost):
    server = mail_server("starttls", auth=True)
    channel = email_to(
        server, host="localhost", security="starttls", ca_file=localhost[1], username=USER, password="wr0ng-password"
    )
    with pytest.raises(TemporaryFailure, match="sign in: 535") as caught:
        channel.send(letters(1)[0])
    assert "wr0ng" not in repr(caught.value)
    assert channel.health().detail == str(caught.value)


@pytest.mark.parametrize("password", ["pässword", "a\r\nb"])
def test_a_password_that_can_not_be_sent_is_not_told_either(mail_server, email_to, localhost, password):
    import traceback

    server = mail_server("starttls", auth=True)
    channel = email_to(server, host="localhost", security="starttls", ca_file=localhost[1], username=USER, password=password)
    with pytest.raises(TemporaryFailure) as caught:
        channel.send(letters(1)[0])
    assert password not in "".join(traceback.format_exception(caught.value))


# -- TLS -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_not_taken(mail_server, email_to, tmp_path, security):
    context, authority = certificate(tmp_path, "elsewhere.example")
    server = mail_server(security, context=context)
    channel = email_to(server, host="localhost", security=security, ca_file=authority)
    with pytest.raises(TemporaryFailure, match="certificate is not good: Hostname mismatch"):
        channel.send(letters(1)[0])
    assert not server.handler.envelopes


def test_an_authority_that_is_not_known_is_not_trusted(mail_server, email_to):
    server = mail_server("starttls")
    with pytest.raises(TemporaryFailure, match="certificate is not good"):
        email_to(server, host="localhost", security="starttls").send(letters(1)[0])


def test_nothing_goes_without_tls_where_it_is_asked_for(mail_server, email_to):
    server = mail_server()
    with pytest.raises(TemporaryFailure, match="no STARTTLS"):
        email_to(server, security="starttls").send(letters(1)[0])
    with pytest.raises(TemporaryFailure, match="can't be used"):
        email_to(server, security="tls").send(letters(1)[0])
    assert not server.handler.mails


def test_what_is_said_before_tls_counts_for_nothing(scripted, email_to, localhost):
    """Somebody in between adds an answer to the one to STARTTLS, which must not be taken for the server's (CVE-2021-38371)."""

    def inject(talk):
        talk.greet("STARTTLS")
        talk.hear()
        talk.connection.sendall(b"220 go\r\n250-odd.example\r\n250 AUTH PLAIN\r\n")
        time.sleep(5)

    channel = email_to(scripted(inject), host="localhost", security="starttls", ca_file=localhost[1])
    with pytest.raises(TemporaryFailure, match="spoke on before TLS"):
        channel.send(letters(1)[0])


# -- servers that break ----------------------------------------------------------------------------------------------------


def hang_at(step):
    def script(talk):
        if step == "banner":
            time.sleep(20)
        talk.greet()
        for _ in range(("MAIL", "RCPT", "DATA", "end").index(step) if step != "banner" else 0):
            talk.hear()
            talk.say("354 go" if _ == 2 else "250 ok")
        if step == "end":
            talk.body()
        time.sleep(20)

    return script


@pytest.mark.parametrize("step", ["banner", "MAIL", "RCPT", "DATA", "end"])
def test_a_server_that_hangs_is_given_up(scripted, email_to, step):
    channel = email_to(scripted(hang_at(step)))
    began = monotonic()
    (outcome,) = channel.send_many(letters(1))
    assert monotonic() - began < 3 * PATIENCE
    assert isinstance(outcome, TemporaryFailure)
    assert outcome.uncertain is (step == "end"), "only who has the whole message may have taken it"
    assert "no answer in time" in str(outcome) or step == "end"


@pytest.mark.parametrize("step", ["banner", "MAIL", "end"])
def test_a_server_that_hangs_does_not_hold_up_hundreds(scripted, email_to, step):
    channel = email_to(scripted(hang_at(step)), connections=1)
    began = monotonic()
    outcomes = channel.send_many(letters(200))
    assert monotonic() - began < 6 * PATIENCE
    assert len(outcomes) == 200
    assert all(isinstance(outcome, TemporaryFailure) for outcome in outcomes)
    assert sum(outcome.uncertain for outcome in outcomes) == (3 if step == "end" else 0)


def test_an_answer_that_drips_is_not_waited_for(scripted, email_to):
    def drip(talk):
        for _ in range(200):
            talk.connection.sendall(b"2")
            time.sleep(0.1)

    began = monotonic()
    with pytest.raises(TemporaryFailure):
        email_to(scripted(drip)).send(letters(1)[0])
    assert monotonic() - began < 3 * PATIENCE


@pytest.mark.parametrize(
    "rubbish",
    ["HTTP/1.1 400 Bad Request", "220-x\r\n" * 500, "2" * 100_000, "220-" + "y" * 20_000, "abc", "", "25é ok", "9999999 x"],
    ids=["http", "endless", "no-end", "long", "letters", "empty", "bytes", "digits"],
)
def test_what_is_no_smtp_is_told_as_such(scripted, email_to, rubbish):
    def script(talk):
        talk.say(rubbish)
        talk.hear()
        talk.hear()

    with pytest.raises(TemporaryFailure, match=r"none of SMTP|closed it|in time|refused the connection"):
        email_to(scripted(script)).send(letters(1)[0])


def test_a_reset_in_the_middle_of_a_message_loses_no_other(scripted, email_to):
    taken = []

    def script(talk):
        """Every second message is cut off by a reset."""
        talk.greet("PIPELINING")
        while True:
            talk.hear(), talk.hear(), talk.hear()
            talk.say("250 ok\r\n250 ok\r\n354 go")
            if len(taken) % 2 == 1 and taken[-1] is not None:
                taken.append(None)
                talk.hear()
                talk.reset()
                return
            taken.append(talk.body())
            talk.say("250 ok")

    outcomes = email_to(scripted(script), connections=1).send_many(letters(9))
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Receipt, TemporaryFailure] * 4 + [Receipt]
    assert all(outcome.uncertain for outcome in outcomes if not isinstance(outcome, Receipt))
    assert sum(body is not None for body in taken) == 5


@pytest.mark.parametrize("step", ["banner", "MAIL", "RCPT", "DATA"])
def test_421_ends_the_connection_and_not_the_message(scripted, email_to, step):
    taken = []

    def script(talk):
        """The first connection is ended by a 421, at the given step of its second message."""
        first = server.connections == 1
        if step == "banner" and not first and not taken:
            talk.say("421 4.3.2 not now")
            return
        talk.greet()
        for number in range(100):
            for command, answer in (("MAIL", "250 ok"), ("RCPT", "250 ok"), ("DATA", "354 go")):
                talk.hear()
                if first and number == 1 and command == step:
                    talk.say("421 4.3.2 shutting down")
                    return
                talk.say(answer)
            taken.append(talk.body())
            talk.say("250 ok")

    server = scripted(script)
    assert all_taken(email_to(server, connections=1).send_many(letters(4)))
    assert len(taken) == 4


def test_421_after_a_message_means_that_it_was_not_taken(scripted, email_to):
    def script(talk):
        talk.greet()
        for answer in ("250 ok", "250 ok", "354 go"):
            talk.hear()
            talk.say(answer)
        talk.body()
        talk.say("421 4.3.2 shutting down")

    with pytest.raises(TemporaryFailure, match="421") as caught:
        email_to(scripted(script)).send(letters(1)[0])
    assert not caught.value.uncertain


def test_a_server_that_is_down_is_told_as_such(mail_server, email_to):
    server = mail_server()
    channel = email_to(server)
    server.stop()
    outcomes = channel.send_many(letters(3))
    assert {str(outcome) for outcome in outcomes} == {"the mail server can't be used: ConnectionRefusedError"}
    assert not channel.health().ok


def test_a_host_that_does_not_exist_is_told_as_such(mail_server, email_to):
    with pytest.raises(TemporaryFailure, match=r"can't be resolved|in time"):
        email_to(mail_server(), host="nowhere.invalid").send(letters(1)[0])
