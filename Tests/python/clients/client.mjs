// Sends the requests that standard input names, by Node's fetch or by its http2:
//
//     node client.mjs fetch http://127.0.0.1:8080
//
// A line is METHOD, path, the file of the body or "-", and fields "Name: value", between tabs.
// For each, a line of answer: protocol, status, the body in base64, and fields, between tabs.

import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"
import * as http2 from "node:http2"

const [how, origin] = process.argv.slice(2)

async function byFetch(method, path, body, headers) {
    const answer = await fetch(origin + path, { method, body, headers, redirect: "error" })
    const content = Buffer.from(await answer.arrayBuffer())
    return ["1.1", answer.status, content, [...answer.headers]]
}

// One connection for all requests.
let session

function byHTTP2(method, path, body, headers) {
    session ??= http2.connect(origin, { ca: process.env.CA && readFileSync(process.env.CA) })
    return new Promise((resolve, reject) => {
        session.once("error", reject)
        const stream = session.request({ ":method": method, ":path": path, ...headers },
            { endStream: !body })
        const pieces = []
        let head
        stream.on("response", fields => { head = fields })
        stream.on("data", piece => pieces.push(piece))
        stream.on("error", reject)
        stream.on("end", () => {
            session.off("error", reject)
            const fields = Object.entries(head).filter(([name]) => !name.startsWith(":"))
            resolve(["2", head[":status"], Buffer.concat(pieces), fields])
        })
        if (body) stream.end(body)
    })
}

const send = { fetch: byFetch, http2: byHTTP2 }[how]
for await (const line of createInterface({ input: process.stdin })) {
    const [method, path, file, ...fields] = line.split("\t")
    const body = file === "-" ? undefined : readFileSync(file)
    const headers = Object.fromEntries(fields.map(field => {
        const at = field.indexOf(":")
        return [field.slice(0, at), field.slice(at + 1).trim()]
    }))
    let answer
    try {
        const [protocol, status, content, received] = await send(method, path, body, headers)
        answer = [protocol, status, content.toString("base64"),
            ...received.map(([name, value]) => `${name}: ${value}`)]
    } catch (error) {
        answer = ["failed", `${error} ${error.cause ?? ""}`]
    }
    process.stdout.write(answer.join("\t") + "\n")
}
session?.close()
