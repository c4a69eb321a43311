// timeout: 240
// A connection that breaks in a call: what is resumed, what is made anew, and what ends.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { id, Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { Server, slow, stopwatch, until } from './lib/server.mjs';
import { Signal } from './lib/signal.mjs';

const DOWN_MS = 3000; // how long the WebSocket stays away
const GAP_MS = 2000; // the longest time a picture may stand still in a resume
const BACK_MS = 20000; // until media has to be back, whatever was lost

let server, chromium;

before(async () => {
    ({ server, chromium } = await begin());
});

after(() => end({ server, chromium }));

/**
 * Collects in the page what happens from now on: events of the room, whether the banner showed, and how many frames
 * of the other's camera are decoded. Stopped by watched().
 */
function watch(person) {
    return person.page.evaluate(() => {
        const { room } = window.fanlight;
        const w = (window.watching = { events: [], samples: [], off: [], banner: false });
        for (const name of ['reconnecting', 'signalReconnecting', 'reconnected', 'disconnected']) listen(name);
        for (const name of ['participantConnected', 'participantDisconnected', 'trackUnsubscribed']) listen(name);
        w.timer = setInterval(async () => {
            w.banner ||= !!document.querySelector('[data-testid="banner"][data-kind="reconnecting"]');
            const [other] = room.remoteParticipants.values();
            const report = await other?.getTrackPublication('camera')?.track?.getRTCStatsReport();
            const inbound = [...(report?.values() ?? [])].find((s) => s.type === 'inbound-rtp');
            const at = performance.now();
            w.samples.push({ at, frames: inbound?.framesDecoded ?? -1, down: room.engine.client.isDisconnected });
        }, 150);

        function listen(name) {
            const heard = () => w.events.push(name);
            room.on(name, heard);
            w.off.push(() => room.off(name, heard));
        }
    });
}

/** Stops collecting; {events, samples, banner, gap}: gap is the longest time in ms without a new frame. */
async function watched(person) {
    const w = await person.page.evaluate(() => {
        const { events, samples, banner, off, timer } = window.watching;
        clearInterval(timer);
        for (const f of off) f();
        return { events, samples, banner };
    });
    w.gap = 0;
    let since;
    for (const s of w.samples) {
        if (s.frames !== since?.frames) since = s;
        w.gap = Math.max(w.gap, s.at - since.at);
    }
    return w;
}

const grown = (samples) => (samples.length ? samples.at(-1).frames - samples[0].frames : 0);
const scenario = (person, name, arg) =>
    person.page.evaluate(([n, a]) => void window.fanlight.room.simulateScenario(n, a), [name, arg]);
const heard = (person, event) => person.page.evaluate((e) => window.watching.events.includes(e), event);
const sidOf = (person) => person.page.evaluate(() => window.fanlight.room.localParticipant.sid);
const sidSeen = (person, name) =>
    person.page.evaluate(
        (n) => [...window.fanlight.room.remoteParticipants.values()].filter((p) => p.name === n).map((p) => p.sid).join(),
        name,
    );
const leftPage = (person) => person.page.evaluate((s) => document.querySelector(s)?.dataset.cause, id('left-page'));

/** The connection stands again, and nothing on the page says otherwise. */
async function back(person) {
    await until(`${person.name} is back`, () => heard(person, 'reconnected'), BACK_MS);
    await person.connected();
    await until(
        `no banner at ${person.name}`,
        () => person.page.evaluate(() => !document.querySelector('[data-testid="banner"][data-kind="reconnecting"]')),
        3000,
    );
}

let lines = 0;

/** A line of chat from one to the other, which arrives once. */
async function chat(from, to) {
    const text = `line ${++lines} of ${from.name}`;
    await from.page.fill(id('chat-input'), text);
    await from.click('chat-send');
    await arrives(text, to);
}

const seen = (text, to) =>
    to.page.evaluate(
        ([s, t]) => [...document.querySelectorAll(s)].filter((m) => m.textContent.includes(t)).length,
        [id('chat-message'), text],
    );

async function arrives(text, to) {
    assert.equal(await until(`${text} at ${to.name}`, () => seen(text, to)), 1);
}

/** In the moment in which the connection breaks, two lines are written. Returns them. */
async function writesWhenBroken(from) {
    const texts = [`line ${++lines} of ${from.name}, without a connection`, `line ${++lines} of ${from.name}, as well`];
    await from.page.evaluate(
        ([input, button, message, all]) => {
            const { room } = window.fanlight;
            const put = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;
            const [field, send] = [input, button].map((s) => document.querySelector(s));
            const line = (text) => [...document.querySelectorAll(message)].find((m) => m.textContent.includes(text));
            const drawn = async (done) => {
                while (!done()) await new Promise((r) => setTimeout(r));
            };
            let written;
            window.written = new Promise((resolve) => (written = resolve));
            const write = async () => {
                room.off('signalReconnecting', write).off('reconnecting', write);
                for (const text of all) {
                    put.call(field, text);
                    field.dispatchEvent(new Event('input', { bubbles: true }));
                    await drawn(() => !send.disabled);
                    send.click();
                    await drawn(() => line(text));
                }
                written({ states: all.map((text) => line(text).dataset.state), room: room.state });
            };
            room.on('signalReconnecting', write).on('reconnecting', write);
        },
        [id('chat-input'), id('chat-send'), id('chat-message'), texts],
    );
    return texts;
}

/** What was written while the connection was broken waited then, and is there now, once. */
async function broughtAlong(texts, from, to) {
    const { states, room } = await from.page.evaluate(() => window.written);
    assert.notEqual(room, 'connected', 'written too late');
    assert.deepEqual(states, ['sending', 'sending']);
    for (const text of texts) await arrives(text, to);
    const order = await to.page.evaluate(
        ([s, all]) => all.map((t) => [...document.querySelectorAll(s)].findIndex((m) => m.textContent.includes(t))),
        [id('chat-message'), texts],
    );
    assert.ok(order[0] < order[1], `in another order: ${order}`);
}

async function sameCall(a, b) {
    await Promise.all([a.sees(b.name), b.sees(a.name)]);
    await Promise.all([a.hears(b.name), b.hears(a.name)]);
    await chat(a, b);
    await chat(b, a);
    assert.deepEqual([...a.errors, ...b.errors], []);
}

/** Ann's connection breaks and is resumed: she stays who she was, and nobody misses a thing. */
async function resumes(ann, ben, name, arg) {
    const sid = await sidOf(ann);
    await Promise.all([watch(ann), watch(ben)]);
    const texts = await writesWhenBroken(ann);
    await scenario(ann, name, arg);
    await back(ann);
    await sameCall(ann, ben);
    await broughtAlong(texts, ann, ben);
    const [a, b] = [await watched(ann), await watched(ben)];
    const told = `${JSON.stringify({ ann: a, ben: b })}\n${server.log.slice(-3000)}`;
    assert.equal(await sidOf(ann), sid, told);
    assert.equal(await sidSeen(ben, 'Ann'), sid, told);
    assert.ok(!a.events.includes('reconnecting'), `made anew instead of resumed: ${told}`);
    assert.deepEqual(b.events, [], told);
    assert.deepEqual(
        a.events.filter((e) => e !== 'signalReconnecting' && e !== 'reconnected'),
        [],
        told,
    );
    for (const w of [a, b]) {
        assert.ok(w.samples.length > 5, told);
        assert.ok(w.gap <= GAP_MS * slow, `the picture stood still for ${w.gap} ms: ${told}`);
    }
    return [a, b, told];
}

/** Ann's connection breaks for good and is made anew: another sid, and all media again. */
async function comesAnew(ann, ben, name) {
    const sid = await sidOf(ann);
    await Promise.all([watch(ann), watch(ben)]);
    const texts = await writesWhenBroken(ann);
    const took = stopwatch();
    await scenario(ann, name);
    await back(ann);
    const now = await sidOf(ann);
    assert.notEqual(now, sid, 'a new session has a new sid');
    await until('Ben knows the new sid', () => sidSeen(ben, 'Ann').then((s) => s === now));
    await Promise.all([ann.sees('Ben'), ben.sees('Ann'), ann.hears('Ben'), ben.hears('Ann')]);
    assert.ok(took() < BACK_MS * slow, `media back after ${took()} ms`);
    await sameCall(ann, ben);
    await broughtAlong(texts, ann, ben);
    const [a, b] = [await watched(ann), await watched(ben)];
    assert.ok(a.events.includes('reconnecting'), JSON.stringify(a.events));
    assert.ok(!a.events.includes('disconnected') && !b.events.includes('disconnected'));
    assert.equal((await ben.page.$$(`${id('tile')}[data-source="camera"]`)).length, 2, 'no tile is left over');
}

for (const [form, query] of [
    ['one connection', ''],
    ['two connections', '&single=0'],
])
    describe(form, () => {
        let ann, ben;

        before(async () => {
            const room = await server.createRoom();
            ann = await Person.join(chromium, server, room, 'Ann', query);
            ben = await Person.join(chromium, server, room, 'Ben', query);
            await Promise.all([ann.click('toggle-chat'), ben.click('toggle-chat')]);
            await Promise.all([ann, ben].map((p) => p.page.waitForSelector(id('chat-input'))));
            await sameCall(ann, ben);
        });

        after(() => Promise.all([ann?.page.close(), ben?.page.close()]));

        test('media flows on while the WebSocket is down', async () => {
            const [a, b, told] = await resumes(ann, ben, 'signal-reconnect', DOWN_MS);
            const down = a.samples.filter((s) => s.down);
            assert.ok(down.length > 1 && down.at(-1).at - down[0].at > DOWN_MS / 2, `never down: ${told}`);
            assert.ok(grown(down) > 10, `nothing new was seen while it was down: ${told}`);
            assert.ok(grown(b.samples) > 10, told);
        });

        test('the socket closes in the middle of the resume', async () => {
            await resumes(ann, ben, 'disconnect-signal-on-resume');
        });

        test('the socket closes before a resume is answered', async () => {
            await resumes(ann, ben, 'disconnect-signal-on-resume-no-messages');
        });

        test('a resume that the client gives up', () => comesAnew(ann, ben, 'resume-reconnect'));

        test('a full reconnect', () => comesAnew(ann, ben, 'full-reconnect'));

        test('the server has forgotten the session', () => comesAnew(ann, ben, 'node-failure'));

        test('somebody is made the speaker', async () => {
            const speaking = async () =>
                Promise.all(
                    [ann, ben].map((p) =>
                        p.page.evaluate(() => window.fanlight.room.activeSpeakers.some((s) => s.name === 'Ann')),
                    ),
                );
            await ann.click('toggle-mic');
            await until('Ann is silent', async () => (await speaking()).every((s) => !s));
            await scenario(ann, 'speaker');
            await until('Ann speaks', async () => (await speaking()).every((s) => s));
            await until('Ann is silent again', async () => (await speaking()).every((s) => !s));
            await ann.click('toggle-mic');
            await ben.hears('Ann');
        });

        test('the server ends the session', async () => {
            await scenario(ann, 'server-leave');
            assert.equal(await until('the left page', () => leftPage(ann)), 'server');
            await until('Ann is gone', async () => !(await ben.received()).Ann);
            assert.deepEqual([...ann.errors, ...ben.errors], []);
        });
    });

for (const form of ['two', 'v1'])
    test(`one session is resumed a hundred times: ${form}`, async () => {
        const room = `again-${form}`;
        const { sid, ...ada } = await Signal.join(server, { room, identity: 'ada', form });
        let before = ada;
        for (let i = 0; i < 100; i++) {
            const s = await Signal.resume(server, { room, identity: 'ada', form, sid });
            assert.equal(s.first1.case, 'reconnect', `resume ${i}`);
            await before.closed;
            before = s;
        }
        before.ws.terminate();
    });

test('a line that could not be sent before the call ended is shown', async () => {
    const person = await Person.join(chromium, server, await server.createRoom(), 'Ann', '&cam=0&mic=0');
    await person.click('toggle-chat');
    await person.page.waitForSelector(id('chat-input'));
    const texts = await writesWhenBroken(person);
    await scenario(person, 'signal-reconnect', DOWN_MS * slow);
    assert.deepEqual((await person.page.evaluate(() => window.written)).states, ['sending', 'sending']);
    await person.click('leave');
    await person.page.waitForSelector(id('unsent'));
    const said = await person.page.textContent(id('unsent'));
    for (const text of ['2 lines you wrote were not sent', ...texts]) assert.ok(said.includes(text), said);
    assert.equal(await leftPage(person), 'left');
    await person.page.close();
});

test('the server is stopped in a call', async () => {
    const own = await Server.start();
    try {
        const room = await own.createRoom();
        const people = [await Person.join(chromium, own, room, 'Ann'), await Person.join(chromium, own, room, 'Ben', '&single=0')];
        await Promise.all([people[0].sees('Ben'), people[1].sees('Ann')]);
        const since = stopwatch();
        const stopped = own.stop().then((status) => ({ ...status, took: since() }));
        const causes = await Promise.all(people.map((p) => until(`the left page of ${p.name}`, () => leftPage(p))));
        assert.deepEqual(causes, ['server', 'server']);
        const { code, took } = await stopped;
        assert.equal(code, 0, own.log);
        assert.ok(took < 5000 * slow, `the end took ${took} ms`);
        for (const p of people) assert.deepEqual(p.errors, []);
        await Promise.all(people.map((p) => p.page.close()));
    } finally {
        await own.stop();
    }
});
