// The same as pages.py with the Node client, which has to be built: `npm ci && npx tsc` in clients/node.
//
//     AUTHNZERVER=…/release/authnzerver MAIL_PYTHON=target/python/bin/python RATELIMITS=none CLIENTS=clients node pages.mjs

import { Client, calls } from "../../node/dist/index.js";
import { Real } from "../../node/tests/support.mjs";

const PAGES = 300;
const ROUNDS = 21;

const server = await Real.start();
const client = new Client(server.url, server.key);
const site = client.at("192.0.2.1", "Browser/1.0");
const { sessionToken, user } = await site.login(server.admin);
const who = calls.sessionInfo({ sessionToken });
const may = calls.userCheckAccess({
  ...{ userId: user.userId, userRole: user.userRole, action: "view", targetName: "dataset" },
  ...{ targetOwner: 1, targetVisibility: "private", targetSharedwith: null },
});

const kinds = {
  together: async () => {
    const answers = await site.together([who, may]);
    return [answers.get(who), answers.get(may)];
  },
  apart: async () => [await site.ask(who), await site.ask(may)],
};
const rates = { together: [], apart: [] };
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, page] of Object.entries(kinds)) {
    const begun = performance.now();
    for (let number = 0; number < PAGES; number += 1) {
      await page();
    }
    rates[name].push((PAGES * 1000) / (performance.now() - begun));
  }
}
const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)];
const told = { together: Math.round(median(rates.together)), apart: Math.round(median(rates.apart)) };
const ratio = Number(median(rates.together.map((rate, place) => rate / rates.apart[place])).toFixed(2));
console.log(JSON.stringify({ client: "node", pages_per_second: told, ratio }));
client.close();
await server.close();
