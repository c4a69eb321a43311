// A call that others must not disturb: Ada sends sound and pictures, Bob receives them.
import assert from 'node:assert/strict';
import { Peer, allDone } from './peer.mjs';
import { Server, until } from './server.mjs';
import { Signal } from './signal.mjs';

export class Bystanders {
    /** Starts a server and the call, which is in the room 'call'. */
    static async start(options) {
        const b = new Bystanders();
        b.server = await Server.start(options);
        b.ada = await Peer.join(b.server, { room: 'call', identity: 'ada', publish: ['opus', 'vp8'] });
        b.bob = await Peer.join(b.server, { room: 'call', identity: 'bob' });
        b.ada.stream();
        await b.unharmed();
        return b;
    }

    /** The call goes on as if nothing had been. */
    async unharmed() {
        const { server, ada, bob } = this;
        assert.equal(server.status, undefined, server.log);
        const text = `still here ${Math.random()}`;
        ada.text(text);
        await Promise.all([
            ...ada.sent.map((m) => bob.receives(m.sid, 10)),
            until(`Ada's message; ${JSON.stringify(bob.story())}`, () => bob.texts().includes(text)),
        ]);
        for (const p of [ada, bob]) {
            assert.equal(p.signal.end, undefined);
            assert.deepEqual(p.signal.all('leave'), []);
        }
    }

    /** Runs fn, then looks after the call, and that the log grew by no more than that many lines. */
    async harmless(fn, lines = 20) {
        const before = this.server.log.length;
        await fn();
        await this.unharmed();
        const added = this.server.log.slice(before).split('\n').length - 1;
        assert.ok(added <= lines, `${added} lines were logged:\n${this.server.log.slice(before, before + 2000)}`);
    }

    /** A client in a room of its own kind, without media. */
    stranger(more = {}) {
        return Signal.join(this.server, { room: 'strangers', identity: `s${Math.random()}`, ...more });
    }

    async stop() {
        const { server, ada, bob } = this;
        try {
            await this.unharmed();
            for (const p of [ada, bob]) await p.leave();
        } finally {
            const { code } = await server.stop();
            allDone();
            assert.equal(code, 0, server.log);
        }
    }
}
