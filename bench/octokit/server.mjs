// Verifies deliveries with @octokit/webhooks behind Node's own server, and stores nothing.
import { createServer } from "node:http";
import { Webhooks, createNodeMiddleware } from "@octokit/webhooks";

const webhooks = new Webhooks({ secret: process.env.GITHUB_WEBHOOK_SECRET });
webhooks.on("workflow_run", () => {});
const receive = createNodeMiddleware(webhooks, { path: "/webhooks/github" });
createServer(receive).listen(Number(process.env.PORT), "127.0.0.1");
