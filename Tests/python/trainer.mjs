// Trains a linear model with Node's fetch and no packages; run as
//
//     node trainer.mjs http://127.0.0.1:8080 node-session
//
// Prints one JSON line for each upload and report, and one for the final average, with the
// weights as base64 of their little-endian float32.

const [url, name] = process.argv.slice(2)
const base = `${url}/v1/sessions/${name}`

async function call(method, path, body, headers = {}) {
    const answer = await fetch(base + path, { method, body, headers })
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
    return answer
}

function encode(weights) {
    const entry = { dtype: "F32", shape: [weights.length], data_offsets: [0, 4 * weights.length] }
    let header = JSON.stringify({ w: entry })
    header += " ".repeat((8 - header.length % 8) % 8)
    const file = Buffer.alloc(8 + header.length + 4 * weights.length)
    file.writeBigUInt64LE(BigInt(header.length))
    file.write(header, 8)
    weights.forEach((value, index) => file.writeFloatLE(value, 8 + header.length + 4 * index))
    return file
}

function decode(bytes) {
    const file = Buffer.from(bytes)
    const length = Number(file.readBigUInt64LE())
    const [begin, end] = JSON.parse(file.toString("utf8", 8, 8 + length)).w.data_offsets
    return file.subarray(8 + length + begin, 8 + length + end)
}

// A small linear congruential generator: the run is the same every time.
let seed = 7
function random() {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed / 2147483648 - 0.5
}

const truth = [1, -2, 0.5, 3]
const weights = new Float32Array(truth.length)
await call("PUT", "", JSON.stringify({ strategy: "nta", epochs: 10, n: 2, fallback_alpha: 0.4 }),
    { "Content-Type": "application/json" })
let step = 0
for (let epoch = 1; epoch <= 10; epoch++) {
    let loss = 0
    for (let batch = 0; batch < 20; batch++) {
        const input = truth.map(random)
        const wanted = input.reduce((sum, x, i) => sum + x * truth[i], random())
        const error = input.reduce((sum, x, i) => sum + x * weights[i], -wanted)
        weights.forEach((value, i) => { weights[i] = value - 0.5 * error * input[i] })
        loss += error * error / 20
        await call("POST", `/parameters?step=${++step}`, encode(weights),
            { "Content-Type": "application/vnd.safetensors" })
        console.log(JSON.stringify({ weights: Buffer.from(weights.buffer).toString("base64") }))
    }
    await call("POST", "/epochs", JSON.stringify({ epoch, loss }),
        { "Content-Type": "application/json" })
    console.log(JSON.stringify({ epoch, loss }))
}
const average = decode(await (await call("GET", "/averages/main")).arrayBuffer())
console.log(JSON.stringify({ average: average.toString("base64") }))
