// A page that is not secure (http, and not localhost): no camera and no microphone, but one sees, hears and writes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { id, Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { ownAddress, until } from './lib/server.mjs';

let server, chromium;

before(async () => {
    ({ server, chromium } = await begin());
});

after(() => end({ server, chromium }));

test('a guest on a page that is not secure', async () => {
    const room = await server.createRoom();
    const host = await Person.join(chromium, server, room, 'Hana');
    const guest = await Person.join(chromium, { http: `http://${ownAddress()}:${server.port}` }, room, 'Gus', '&cam=0&mic=0');
    assert.equal(await guest.page.evaluate(() => window.isSecureContext), false);
    await Promise.all([guest.sees('Hana'), guest.hears('Hana')]);
    for (const p of [host, guest]) await p.click('toggle-chat');
    for (const [from, to, text] of [
        [guest, host, 'good morning'],
        [host, guest, 'good evening'],
    ]) {
        await from.page.fill(id('chat-input'), text);
        await from.click('chat-send');
        await until(`${to.name} reads ${text}`, () =>
            to.page.evaluate(([s, t]) => [...document.querySelectorAll(s)].some((m) => m.textContent === t), [id('chat-message'), text]),
        );
    }
    for (const p of [host, guest]) assert.deepEqual(p.errors, []);
});
