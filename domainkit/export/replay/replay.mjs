// Forced answers and greedy texts through llama.cpp. A job comes as JSON on stdin, the result goes as JSON to stdout.
// Prompts are token ids, so both engines read the same; the first argument is node-llama-cpp's dist/index.js.
import fs from "node:fs";
import {pathToFileURL} from "node:url";

const library = process.argv[2];
const job = JSON.parse(fs.readFileSync(0, "utf8"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(library).href);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: job.threads});
const model = await llama.loadModel({modelPath: job.model, gpuLayers: 0});
const lora = job.adapter ? {adapters: [{filePath: job.adapter, scale: 1}]} : undefined;
const context = await model.createContext({contextSize: job.contextSize, sequences: 1, threads: job.threads, lora});
const sequence = context.getSequence();

const forced = [];
for (const {prompt, answer} of job.forced ?? []) {
    await sequence.clearHistory();
    const ids = [...prompt, ...answer.slice(0, -1)];
    const first = prompt.length - 1;
    const ask = {generateNext: {token: true, probabilities: true, options: {temperature: 0}}};
    const results = await sequence.controlledEvaluate(ids.map((id, i) => (i < first ? id : [id, ask])));
    forced.push(answer.map((id, i) => {
        const {token, probabilities} = results[first + i].next;
        return [Math.log(probabilities.get(id) || 1e-45), token];
    }));
}

const texts = [];
for (const prompt of job.prompts ?? []) {
    await sequence.clearHistory();
    const ids = [];
    for await (const id of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
        if (job.stops.includes(id)) break;
        ids.push(id);
        if (ids.length >= job.maxTokens) break;
    }
    texts.push(ids);
}

process.stdout.write(JSON.stringify({forced, texts, build: `llama.cpp ${llama.llamaCppRelease.release}`}));
process.exit(0);
