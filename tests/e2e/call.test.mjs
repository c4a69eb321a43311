// timeout: 240
// The main job: people in Chromium and Firefox meet in a room.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { id, Person } from './lib/call.mjs';
import { begin, end } from './lib/scene.mjs';
import { until } from './lib/server.mjs';

let server, chromium, firefox;

before(async () => {
    ({ server, chromium, firefox } = await begin({ firefox: true }));
});

after(() => end({ server, chromium, firefox }));

function differ(a, b) {
    return Math.max(...a.map((v, i) => Math.abs(v - b[i]))) > 20;
}

test('three people: one makes a room, the others come by link and by code', async () => {
    const page = await chromium.page();
    await page.goto(server.http);
    await page.fill(id('name-input'), 'Ada');
    await page.click(id('create-room'));
    await page.waitForSelector(id('prejoin-join'));
    const link = new URL(page.url());
    const code = link.pathname.split('/').pop();
    assert.match(code, /^[a-z]{3}-[a-z]{4}-[a-z]{3}$/);
    await until('the camera preview', () => page.isEnabled(id('prejoin-join')));
    await page.click(id('prejoin-join'));
    const ada = await Person.of(page, 'Ada');

    const bobPage = await chromium.page();
    await bobPage.goto(server.http);
    await bobPage.fill(id('name-input'), 'Bob');
    await bobPage.fill(id('code-input'), code.toUpperCase().replaceAll('-', ' '));
    await bobPage.click(id('join-room'));
    await bobPage.waitForSelector(id('prejoin-join'));
    await until('the camera preview', () => bobPage.isEnabled(id('prejoin-join')));
    await bobPage.click(id('prejoin-join'));
    const bob = await Person.of(bobPage, 'Bob');

    const fox = await Person.join(firefox, server, { link: link.pathname }, 'Fox');
    const people = [ada, bob, fox];

    for (const a of people)
        for (const b of people)
            if (a !== b) {
                await a.sees(b.name);
                await a.hears(b.name);
            }

    const pictures = { Bob: await ada.picture('Bob'), Fox: await ada.picture('Fox') };
    for (const [name, p] of Object.entries(pictures)) assert.ok(p && Math.max(...p) > 24, `${name} is black: ${p}`);
    assert.ok(differ(pictures.Bob, pictures.Fox), `the same picture: ${JSON.stringify(pictures)}`);

    // mute and unmute
    await bob.click('toggle-mic');
    await until('Bob is muted for Ada', async () => (await ada.tile('Bob'))?.muted === 'true');
    await until('Bob is muted for Fox', async () => (await fox.tile('Bob'))?.muted === 'true');
    await bob.click('toggle-mic');
    await until('Bob is unmuted for Fox', async () => (await fox.tile('Bob'))?.muted === 'false');
    await fox.hears('Bob');

    // camera off and on
    await bob.click('toggle-camera');
    await until('no camera of Bob', async () => (await ada.received()).Bob.muted.camera === true);
    await bob.click('toggle-camera');
    await until('the camera of Bob', async () => (await ada.received()).Bob.muted.camera === false);
    await ada.sees('Bob');
    await fox.sees('Bob');

    // screen share, seen and ended
    await bob.click('toggle-screen');
    await ada.sees('Bob', 'screen_share', 2);
    await fox.sees('Bob', 'screen_share', 2);
    await bob.click('toggle-screen');
    await until('the share is over', async () => !(await ada.tile('Bob', 'screen_share')));

    // chat
    for (const p of people) await p.click('toggle-chat');
    await fox.page.waitForSelector(id('chat-input'));
    await fox.page.type(id('chat-input'), 'Grüße aus dem Fuchsbau');
    await fox.click('chat-send');
    for (const p of people)
        await until(`the chat line at ${p.name}`, () =>
            p.page.evaluate(() =>
                [...document.querySelectorAll('[data-testid="chat-message"]')].some((m) =>
                    m.textContent.includes('Grüße aus dem Fuchsbau'),
                ),
            ),
        );

    // leave
    await bob.click('leave');
    await bob.page.waitForSelector(id('left-page'));
    await until('Bob is gone', async () => !(await ada.received()).Bob && !(await fox.received()).Bob);
    for (const p of people) assert.deepEqual(p.errors, [], `errors on the page of ${p.name}`);
    for (const p of people) await p.page.close();
});

describe('both forms of the protocol', () => {
    for (const [form, query] of [
        ['one connection, /rtc/v1', ''],
        ['two connections, /rtc', '&single=0'],
    ])
        test(form, async () => {
            const room = await server.createRoom();
            const people = [
                await Person.join(chromium, server, room, 'Ann', query),
                await Person.join(chromium, server, room, 'Ben', query),
                await Person.join(firefox, server, room, 'Flo', query),
            ];
            for (const a of people)
                for (const b of people)
                    if (a !== b) {
                        await a.sees(b.name);
                        await a.hears(b.name);
                    }
            const connections = await people[0].page.evaluate(
                () => window.fanlight.room.engine.pcManager.subscriber === undefined,
            );
            assert.equal(connections, query === '', 'the form that was asked for');
            for (const p of people) assert.deepEqual(p.errors, []);
            for (const p of people) await p.page.close();
        });
});
