// timeout: 180
// Signalling that a bad network takes away, in a call: sockets that break, and sockets that die unnoticed; and what a
// server may ask of its clients. In one connection and in two.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openChromium } from './lib/browsers.mjs';
import { Person, id } from './lib/call.mjs';
import { Proxy } from './lib/proxy.mjs';
import { Server, until } from './lib/server.mjs';

/** Notes what the page shows and what the room says, from now on. */
function watch(person) {
    return person.page.evaluate(() => {
        const story = (window.story = []);
        const note = (x) => story.at(-1) !== x && story.push(x);
        new MutationObserver(() => {
            note(document.querySelector('[data-kind=reconnecting]') ? 'banner' : 'no banner');
        }).observe(document.body, { subtree: true, childList: true, attributes: true });
        const { room } = window.fanlight;
        for (const e of ['reconnecting', 'reconnected', 'signalReconnecting', 'disconnected']) room.on(e, () => story.push(e));
        room.on('participantDisconnected', (p) => story.push(`without ${p.name}`));
    });
}

const story = (person) => person.page.evaluate(() => window.story);
const sid = (person) => person.page.evaluate(() => window.fanlight.room.localParticipant.sid);
const state = (person) => person.page.evaluate(() => window.fanlight.room.state);

function forms(query) {
    let server, proxy, chromium, room, ann, ben;

    before(async () => {
        server = await Server.start({ args: ['--set', 'signal.ping_interval_s=1', '--set', 'signal.ping_timeout_s=4'] });
        proxy = await Proxy.start(server.port);
        chromium = await openChromium();
        room = await server.createRoom();
        ann = await Person.join(chromium, { http: proxy.http }, room, 'Ann', query);
        ben = await Person.join(chromium, server, room, 'Ben', query);
        await seeEachOther();
    });

    after(async () => {
        await chromium?.close();
        await proxy?.stop();
        assert.equal((await server?.stop())?.code, 0, server?.log);
    });

    async function seeEachOther(more = 5) {
        await Promise.all([ann.sees('Ben', 'camera', more), ben.sees('Ann', 'camera', more)]);
    }

    async function annIsBack(event) {
        await until(`${event} (${await story(ann)})`, async () => (await story(ann)).includes(event), 30000);
        await until('connected', async () => (await state(ann)) === 'connected');
        await until('no banner', async () => !(await ann.page.$('[data-kind=reconnecting]')));
    }

    const simulate = (scenario, arg) =>
        ann.page.evaluate(([s, a]) => void window.fanlight.room.simulateScenario(s, a), [scenario, arg]);

    /** The same session goes on: nobody sees Ann go. */
    function resumed(name, breakIt, event = 'reconnected') {
        test(`${name}: the session goes on`, async () => {
            const before = await sid(ann);
            await Promise.all([watch(ann), watch(ben)]);
            await breakIt();
            await annIsBack(event);
            assert.equal(await sid(ann), before);
            assert.ok((await story(ann)).includes('banner'), 'the page says so');
            assert.ok(!(await story(ann)).includes('disconnected'));
            assert.ok(!(await story(ben)).includes('without Ann'));
            await seeEachOther();
        });
    }

    /** A new session takes the place of the old one. */
    function startsOver(name, breakIt) {
        test(`${name}: a new session`, async () => {
            const before = await sid(ann);
            await watch(ann);
            await breakIt();
            await annIsBack('reconnected');
            assert.notEqual(await sid(ann), before);
            await seeEachOther();
        });
    }

    resumed('no network for signalling', async () => {
        const frames = async () => [(await ann.received()).Ben.camera.frames, (await ben.received()).Ann.camera.frames];
        proxy.cut();
        await ann.page.waitForSelector('[data-kind=reconnecting]');
        const before = await frames();
        await until('pictures go on without signalling', async () => (await frames()).every((f, i) => f > before[i] + 20));
        assert.notEqual(await state(ann), 'connected');
        proxy.restore();
    });

    resumed('a socket that dies unnoticed, while somebody leaves', async () => {
        const carl = await Person.join(chromium, server, room, 'Carl', `${query}&cam=0&mic=0`);
        await until('Ann knows Carl', async () => 'Carl' in (await ann.received()));
        proxy.silence();
        await carl.click('leave');
        await carl.page.waitForSelector(id('left-page'));
        await carl.page.close();
        assert.equal(await state(ann), 'connected', 'she has not noticed');
        await ann.page.waitForSelector('[data-kind=reconnecting]');
        proxy.restore();
        await until('Ann hears that Carl has left', async () => !('Carl' in (await ann.received())));
    });

    resumed('a resume that the server asks for', () => simulate('migration'));
    if (query) {
        // the same with one connection: resume.test.mjs
        resumed('a resume that is broken off three times', () => simulate('disconnect-signal-on-resume-no-messages'));
        startsOver('a full reconnect of its own accord', () => simulate('full-reconnect'));
        startsOver('a failing node', () => simulate('node-failure'));
    }
    startsOver('another transport', () => simulate('force-tcp'));
    startsOver('a full reconnect that the server asks for', () => simulate('leave-full-reconnect'));

    test('everybody knows who is there', async () => {
        assert.deepEqual(Object.keys(await ann.received()), ['Ben']);
        assert.deepEqual(Object.keys(await ben.received()), ['Ann']);
        for (const p of [ann, ben]) assert.deepEqual(p.errors, []);
    });
}

describe('one connection', () => forms(''));
describe('two connections', () => forms('&single=0'));
