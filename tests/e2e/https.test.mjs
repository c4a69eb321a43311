// timeout: 120
// The server's own certificate: a call over https and wss, as on a machine in the local network.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openChromium } from './lib/browsers.mjs';
import { Person } from './lib/call.mjs';
import { ownAddress, Server } from './lib/server.mjs';

let server, chromium, state;

before(async () => {
    state = await mkdtemp(join(tmpdir(), 'fanlight-https-'));
    const port = 20000 + Math.floor(Math.random() * 1270) * 10 + 5;
    server = await Server.start({ args: ['--https-port', String(port), '--set', `state_dir=${state}`] });
    server.https = { http: `https://${ownAddress()}:${port}` };
    chromium = await openChromium(['--ignore-certificate-errors']);
});

after(async () => {
    await chromium?.close();
    await server?.stop();
    await rm(state, { recursive: true, force: true });
});

test('a call over https with the self-signed certificate', async () => {
    const room = await server.createRoom();
    const a = await Person.join(chromium, server.https, room, 'Ada');
    const b = await Person.join(chromium, server.https, room, 'Bob');
    await a.sees('Bob');
    await b.sees('Ada');
    await b.hears('Ada');
    const url = await a.page.evaluate(() => window.fanlight.room.engine.client.ws?.url ?? location.href);
    assert.match(url, /^(wss|https):/);
    for (const p of [a, b]) assert.deepEqual(p.errors, []);
});
