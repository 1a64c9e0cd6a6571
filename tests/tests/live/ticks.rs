//! Does a connection carry what is sent after a certain moment?
//!
//! A sender numbers its ticks, fifty a second. It writes a tick's number into a file before it sends the tick; the
//! receiver writes the last number it got, and how often it has looked. So a tick above the number in the sender's file
//! was sent later than that file was read, however busy the machine is: it meets the configuration then in force.
//! What always holds: nothing is said about a connection whose sender or receiver has died or stands still.

use std::path::PathBuf;

use crate::program::Background;
use crate::support::{LiveLab, wait_until};

/// Two seconds of ticks: more than TCP sends without an acknowledgement.
const ENOUGH: u64 = 100;

/// Writes a file in one step.
const WRITE: &str = "import os, socket, time\n\
    def write(path, text):\n\
    \x20with open(path + '.new', 'w') as f: f.write(text)\n\
    \x20os.replace(path + '.new', path)\n";

/// A TCP connection with ticks on it.
pub(crate) struct Ticks {
    name: String,
    sender: Background,
    receiver: Background,
    sent: PathBuf,
    received: PathBuf,
}

impl Ticks {
    /// Connects `from` to `port` of `to`, whose address is `address`.
    pub(crate) fn start(lab: &LiveLab, from: &str, (to, address): (&str, &str), port: u16) -> Self {
        let sent = lab.write(&format!("sent-{port}"), "0");
        let received = lab.write(&format!("received-{port}"), "0 0");
        let receiver = format!(
            "{WRITE}\
             c = socket.create_server(('', {port})).accept()[0]; c.settimeout(0.05)\n\
             last = looked = 0; rest = b''\n\
             while True:\n\
             \x20try:\n\
             \x20 data = c.recv(65536)\n\
             \x20 if not data: raise SystemExit('the connection was closed')\n\
             \x20 *ticks, rest = (rest + data).split(b'\\n')\n\
             \x20 if ticks: last = int(ticks[-1])\n\
             \x20except TimeoutError: pass\n\
             \x20looked += 1; write('{}', f'{{last}} {{looked}}')\n",
            received.display()
        );
        let receiver = lab.python(to, &receiver);
        lab.wait_for(to, &format!("ss -ltn | grep -q ':{port} '"));
        let sender = format!(
            "{WRITE}\
             c = socket.create_connection(('{address}', {port}), 10); c.settimeout(None)\n\
             c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)\n\
             n = 0\n\
             while True: n += 1; write('{}', str(n)); c.sendall(b'%d\\n' % n); time.sleep(0.02)\n",
            sent.display()
        );
        let sender = lab.python(from, &sender);
        Self { name: format!("{from} to {to}:{port}"), sender, receiver, sent, received }
    }

    /// What is sent from now on arrives.
    pub(crate) fn must_flow(&mut self, why: &str) {
        let mark = self.sent();
        wait_until(&format!("{why}: {} flows", self.name), || self.received().0 > mark + ENOUGH);
    }

    /// Of what is sent from now on nothing arrives, although sender and receiver go on.
    pub(crate) fn must_be_cut(&mut self, why: &str) {
        let mark = self.sent();
        wait_until("the sender goes on", || self.sent() > mark + ENOUGH);
        let (_, looked) = self.received();
        wait_until("the receiver goes on", || self.received().1 > looked + 3);
        let (last, _) = self.received();
        assert!(last <= mark, "{why}: {} carried tick {last}, and {mark} was the last before", self.name);
    }

    /// The number of the tick that is sent now or was sent last.
    fn sent(&mut self) -> u64 {
        self.sender.must_run("the sender");
        std::fs::read_to_string(&self.sent).unwrap().parse().unwrap()
    }

    /// The last tick that arrived, and how often the receiver has looked.
    fn received(&mut self) -> (u64, u64) {
        self.receiver.must_run("the receiver");
        let text = std::fs::read_to_string(&self.received).unwrap();
        let (last, looked) = text.split_once(' ').unwrap();
        (last.parse().unwrap(), looked.parse().unwrap())
    }
}
