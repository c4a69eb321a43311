// timeout: 300
// What somebody receives and why no more: GET /api/admin/rooms/{room}/participants/{id}/why, the wishes of viewers,
// and what becomes of them when bandwidth is short.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { Server, token, until } from './lib/server.mjs';

let server, chromium;

before(async () => {
    ({ server, chromium } = await begin());
});

after(() => end({ server, chromium }));

const path = (room, id) => `/api/admin/rooms/${encodeURIComponent(room)}/participants/${encodeURIComponent(id)}/why`;

async function ask(where, room, id, grants = { roomAdmin: true, roomJoin: false }, named = room) {
    const headers = grants ? { Authorization: `Bearer ${await token('admin', named, grants)}` } : {};
    const r = await fetch(where.http + path(room, id), { headers });
    return { status: r.status, body: await r.json(), headers: r.headers };
}

/** The answer about a person in a room, and in it a subscription by its publisher and source. */
async function why(where, room, person, publisher, source = 'camera') {
    const identity = await person.page.evaluate(() => window.fanlight.room.localParticipant.identity);
    const { status, body } = await ask(where, room.code, identity);
    assert.equal(status, 200, JSON.stringify(body));
    const who = await publisher.page.evaluate(() => window.fanlight.room.localParticipant.identity);
    return { ...body, of: body.subscriptions.find((s) => s.publisher === who && s.source === source) };
}

/** Waits until the subscription is as wanted; the last one is told if it never is. */
function becomes(what, fn, wanted, ms = 20000) {
    let last;
    return until(what, async () => wanted((last = (await fn()).of)) && last, ms).catch((e) => {
        throw new Error(`${e.message}\n${JSON.stringify(last)}`);
    });
}

const bandwidth = (person, bps) =>
    person.page.evaluate((n) => window.fanlight.room.simulateScenario('subscriber-bandwidth', n), bps);

async function pair(where = server) {
    const room = await where.createRoom();
    const from = await Person.join(chromium, where, room, 'Sina', '&mic=0');
    const to = await Person.join(chromium, where, room, 'Timo', '&cam=0&mic=0');
    await to.page.setViewportSize({ width: 1400, height: 1000 });
    await to.sees('Sina', 'camera', 10);
    return { room, from, to, of: () => why(where, room, to, from), bye: () => Promise.all([from, to].map((p) => p.page.close())) };
}

describe('who may ask', () => {
    test('nobody without a token, nor with a broken one', async () => {
        for (const header of [undefined, 'Basic Zm9v', 'Bearer nonsense']) {
            const r = await fetch(server.http + path('x', 'y'), { headers: header ? { Authorization: header } : {} });
            assert.equal(r.status, 401);
            assert.equal((await r.json()).error.code, 'unauthorized');
            assert.equal(r.headers.get('www-authenticate'), 'Bearer');
        }
    });

    test('only who administers this very room', async () => {
        const room = await server.createRoom();
        for (const [grants, named] of [
            [{ roomJoin: true }, room.code],
            [{ roomAdmin: true }, 'another'],
            [{ roomCreate: true, roomList: true, roomJoin: false }, room.code],
        ]) {
            const r = await ask(server, room.code, 'x', grants, named);
            assert.equal(r.status, 403);
            assert.equal(r.body.error.code, 'forbidden');
        }
    });

    test('what is not there is not found', async () => {
        const none = await ask(server, 'nowhere', 'x');
        assert.deepEqual([none.status, none.body.error.code], [404, 'room_not_found']);
        const room = await server.createRoom();
        const nobody = await ask(server, room.code, 'x');
        assert.deepEqual([nobody.status, nobody.body.error.code], [404, 'participant_not_found']);
    });
});

test('the size of the tile decides, and the answer says so', async () => {
    const { to, of, bye } = await pair();
    const top = await becomes('the top', of, (s) => s.why === 'top' && s.layer.name === 'high' && s.forwarded === 2);
    assert.deepEqual([top.layer.width, top.layer.height, top.layer.spatial], [1280, 720, 2]);
    assert.ok(top.layer.bitrate_bps > 50000, JSON.stringify(top));
    assert.deepEqual([top.kind, top.paused, top.muted, top.wanted.disabled], ['video', false, false, false]);
    await to.page.setViewportSize({ width: 340, height: 600 });
    const small = await becomes('a smaller one', of, (s) => s.why === 'viewer' && s.layer.spatial < 2 && s.forwarded === s.layer.spatial);
    assert.ok(small.layer.width < 1280 && small.next_bps === 0, JSON.stringify(small));
    assert.ok(small.wanted.width > 0);
    // told once a second, while tracks are told of at once
    const whole = await until('a sum', async () => (await of()).bandwidth.allocated_bps > 0 && of());
    assert.equal(whole.bandwidth.paused, 0, JSON.stringify(whole));
    await bye();
});

test('what the viewer has turned off does not come', async () => {
    const { to, of, bye } = await pair();
    const enable = (on) =>
        to.page.evaluate((value) => {
            for (const p of window.fanlight.room.remoteParticipants.values()) p.getTrackPublication('camera').setEnabled(value);
        }, on);
    await enable(false);
    const off = await becomes('off', of, (s) => s.why === 'viewer' && s.layer === null);
    assert.deepEqual([off.paused, off.wanted.disabled, off.forwarded], [false, true, -1]);
    await enable(true);
    await becomes('on', of, (s) => s.layer && s.forwarded === s.layer.spatial);
    await to.sees('Sina', 'camera', 10);
    await bye();
});

test('short of bandwidth: a lower layer, then a pause that the client hears of; and all comes back by itself', async () => {
    const { to, of, bye } = await pair();
    await becomes('the top', of, (s) => s.why === 'top' && s.forwarded === 2);
    await to.page.evaluate(() => {
        window.states = [];
        window.fanlight.room.on('trackStreamStateChanged', (pub, state) => window.states.push(state));
    });
    // how much the camera sends depends on how busy its machine is: short is what is less than the top as it is now
    const squeezed = async () => {
        const now = await of();
        if (now.of.why === 'top') await bandwidth(to, Math.round(now.of.layer.bitrate_bps * 0.7));
        return now;
    };
    const lower = await becomes('a lower layer', squeezed, (s) => s.why === 'bandwidth' && s.layer && s.forwarded === s.layer.spatial);
    assert.ok((lower.layer.spatial < 2 || lower.layer.temporal < 2) && lower.next_bps > 0, JSON.stringify(lower));
    assert.equal(lower.paused, false);
    await to.sees('Sina', 'camera', 10);
    await bandwidth(to, 20000);
    await becomes('a pause', of, (s) => s.paused && s.why === 'bandwidth' && s.layer === null);
    await until('the client knows', () => to.page.evaluate(() => window.states.at(-1) === 'paused'));
    const whole = await of();
    assert.deepEqual([whole.bandwidth.paused, whole.bandwidth.estimate_bps], [1, 20000]);
    await bandwidth(to, 0);
    await becomes('the top again', of, (s) => s.why === 'top' && s.forwarded === 2, 30000);
    assert.deepEqual(await to.page.evaluate(() => window.states), ['paused', 'active']);
    await to.sees('Sina', 'camera', 10);
    assert.deepEqual(to.errors, []);
    await bye();
});

test('priority decides who keeps the picture', async () => {
    const room = await server.createRoom();
    const [ada, bob] = [await Person.join(chromium, server, room, 'Ada', '&mic=0'), await Person.join(chromium, server, room, 'Bob', '&mic=0')];
    const to = await Person.join(chromium, server, room, 'Timo', '&cam=0&mic=0');
    await to.page.setViewportSize({ width: 1400, height: 1000 });
    await to.sees('Ada', 'camera', 10);
    await to.sees('Bob', 'camera', 10);
    for (const who of [ada, bob])
        await becomes(`${who.name}'s picture`, () => why(server, room, to, who), (s) => s.layer?.bitrate_bps > 20000);
    // enough for one of the pictures as they are now; how much a camera sends depends on how busy its machine is
    const narrow = async () => {
        const costs = await Promise.all([ada, bob].map(async (who) => (await why(server, room, to, who)).of.layer?.bitrate_bps ?? 0));
        await bandwidth(to, Math.round(Math.max(...costs) * 1.1));
    };
    const rank = ({ layer }) => (layer ? layer.spatial * 4 + layer.temporal : -1);
    const prefer = (first) =>
        to.page.evaluate((name) => {
            for (const p of window.fanlight.room.remoteParticipants.values()) {
                const sid = p.getTrackPublication('camera').trackSid;
                // livekit-client has no call for it
                window.fanlight.room.engine.client.sendUpdateTrackSettings({ trackSids: [sid], quality: 2, priority: p.name === name ? 1 : 2 });
            }
        }, first);
    await prefer('Bob');
    await narrow();
    for (const [first, second] of [[bob, ada], [ada, bob]]) {
        await prefer(first.name);
        let last;
        await until(`${first.name} before ${second.name}`, async () => {
            last = [(await why(server, room, to, first)).of, (await why(server, room, to, second)).of];
            const [it, other] = last;
            if (other.why === 'top') await narrow();
            else if (it.why === 'bandwidth' && rank(it) === rank(other))
                await bandwidth(to, Math.round((it.layer.bitrate_bps + it.next_bps + other.layer.bitrate_bps) * 1.1)); // they grew
            return it.layer?.spatial > 0 && !it.paused && other.why === 'bandwidth' && rank(it) > rank(other);
        }, 60000).catch((e) => {
            throw new Error(`${e.message}\n${JSON.stringify(last)}`);
        });
    }
    for (const p of [ada, bob, to]) await p.page.close();
});

test('a configured limit holds, whatever the network carries', async () => {
    const limited = await Server.start({ args: ['--set', 'rtc.subscriber_limit_kbps=300'] });
    try {
        const { to, of, bye } = await pair(limited);
        const s = await becomes('the limit', of, (x) => x.why === 'limit' && x.layer && x.forwarded === x.layer.spatial);
        assert.ok(s.layer.bitrate_bps <= 330000, JSON.stringify(s));
        assert.equal((await of()).bandwidth.limit_bps, 300000);
        await to.sees('Sina', 'camera', 10);
        await bye();
    } finally {
        assert.equal((await limited.stop()).code, 0, limited.log);
    }
});
