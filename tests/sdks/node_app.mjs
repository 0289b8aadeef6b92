// An application on the official SDK for Node that knows nothing of askonce: OPENAI_BASE_URL leads it there.
import { createRequire } from 'node:module';

const OpenAI = createRequire(`${process.argv[2]}/`)('openai').default;
const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: 'user', content: 'What is a monad?' }];
const asking = (content) => [{ role: 'user', content }];
const answer = await client.chat.completions.create({ model: 'm', messages });

let stream = '';
for await (const chunk of await client.chat.completions.create({ model: 'm', messages, stream: true })) {
  stream += chunk.choices[0]?.delta?.content ?? '';
}
const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
const called = await client.chat.completions.create({ model: 'm', messages: asking('call tools'), tools });
const response = await client.responses.create({ model: 'm', input: 'What is a monad?' });
let events = '';
for await (const event of await client.responses.create({ model: 'm', input: 'What is a monad?', stream: true })) {
  if (event.type === 'response.output_text.delta') events += event.delta;
}
const vectors = await client.embeddings.create({ model: 'e', input: ['a', 'b'] });
const error = await client.chat.completions.create({ model: 'm', messages: asking('bad request') }).catch((e) => e);
console.log(JSON.stringify({
  answer: answer.choices[0].message.content,
  stream,
  tool: called.choices[0].message.tool_calls.map((call) => call.function.name),
  response: response.output_text,
  events,
  vectors: vectors.data.map((item) => item.embedding.length),
  error: error instanceof OpenAI.BadRequestError ? error.error.message : String(error),
}));
