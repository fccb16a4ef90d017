// A real mail server: prints {"port"} once it listens, then a line of JSON for each mail it accepted.
import { simpleParser } from "mailparser";
import { SMTPServer } from "smtp-server";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const refuse = (responseCode, message) => Object.assign(new Error(message), { responseCode });
const refusedOnce = new Set();
const server = new SMTPServer({
  hideSTARTTLS: true,
  allowInsecureAuth: true,
  onAuth({ username, password }, _session, done) {
    const isKnown = username === "annals" && password === "let me in";
    done(isKnown ? null : refuse(535, "5.7.8 who are you"), { user: username });
  },
  onRcptTo({ address }, _session, done) {
    if (address.startsWith("never")) return done(refuse(550, "5.1.1 no such mailbox"));
    if (address.startsWith("later") && !refusedOnce.has(address)) {
      refusedOnce.add(address);
      return done(refuse(451, "4.7.1 try again later"));
    }
    done();
  },
  async onData(stream, { envelope, user }, done) {
    const { subject, text, from, messageId } = await simpleParser(stream);
    say({ to: envelope.rcptTo.map((to) => to.address), from: from.text, subject, text, messageId, user });
    done();
  },
});
server.listen(0, "127.0.0.1", () => say({ port: server.server.address().port }));
