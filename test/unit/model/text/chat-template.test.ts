// Chat templates: special tokens, templates without a place for a system prompt, and templates that refuse.
import { describe, expect, test } from "vitest";
import { readChatTemplate, readSpecialTokens } from "../../../../src/model/text/chat-template.ts";

describe("a chat template", () => {
  const config = new TextEncoder().encode('{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "model_max_length": 5}');

  test("has the special tokens, the generation prompt and today's date", () => {
    const { render } = readChatTemplate(
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}{{ strftime_now('%Y') }}",
      readSpecialTokens(config),
    );
    expect(render([{ role: "user", content: " hi " }])).toBe(`<s>[user]hi</s>[assistant]${new Date().getFullYear()}`);
  });

  test("that refuses system prompts gets them at the head of the first question", () => {
    const { render } = readChatTemplate(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}{% endfor %}",
      {},
    );
    expect(
      render([
        { role: "system", content: "Be kind." },
        { role: "user", content: "Hi" },
      ]),
    ).toBe("Be kind.\n\nHi");
  });

  test("that refuses a conversation says why; a text that is no template is corrupt", () => {
    const { render } = readChatTemplate("{{ raise_exception('roles must alternate') }}", {});
    expect(() => render([{ role: "user", content: "a" }])).toThrow(expect.objectContaining({ code: "BAD_INPUT" }) as Error);
    expect(() => readChatTemplate("{% for x in %}", {})).toThrow(expect.objectContaining({ code: "MODEL_CORRUPT" }) as Error);
  });
});
