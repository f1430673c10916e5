// One greedy text for each line of JSON on stdin, {"prompt": [token ids], "tokens": n}, through llama.cpp.
// node stream_llama_cpp.mjs node-llama-cpp/dist/index.js MODEL.gguf THREADS
import readline from "node:readline";
import {pathToFileURL} from "node:url";

const [library, modelPath, threads] = process.argv.slice(2);
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(library).href);
const maxThreads = Number(threads);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads});
const model = await llama.loadModel({modelPath, gpuLayers: 0});
const context = await model.createContext({contextSize: 1024, sequences: 1, threads: maxThreads});
const sequence = context.getSequence();

for await (const line of readline.createInterface({input: process.stdin})) {
    const {prompt, tokens} = JSON.parse(line);
    await sequence.clearHistory();
    let n = 0, begin, cpu;
    for await (const _ of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
        if (++n === 1) [begin, cpu] = [performance.now(), process.cpuUsage()];
        if (n >= tokens) break;
    }
    const seconds = (performance.now() - begin) / 1000;
    const {user, system} = process.cpuUsage(cpu);
    console.log(JSON.stringify({tokens: n - 1, seconds, processor: (user + system) / 1e6}));
}
process.exit(0);
