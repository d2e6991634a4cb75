"""The two JSON files beside the graph, for the loaders of onnxruntime-genai and of Hugging Face."""

from data import END_OF_TEXT
from model import Config


def genai_config(c: Config, end: int) -> dict:
    """Returns the configuration that onnxruntime-genai reads beside the graph."""
    decoder = {
        "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
        "filename": "model.onnx",
        "head_size": c.head_size,
        "hidden_size": c.hidden_size,
        "inputs": {
            "input_ids": "input_ids",
            "attention_mask": "attention_mask",
            "past_key_names": "past_key_values.%d.key",
            "past_value_names": "past_key_values.%d.value",
        },
        "outputs": {
            "logits": "logits",
            "present_key_names": "present.%d.key",
            "present_value_names": "present.%d.value",
        },
        "num_attention_heads": c.query_heads,
        "num_hidden_layers": c.layers,
        "num_key_value_heads": c.kv_heads,
    }
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    sizes = {"context_length": c.context_length, "type": "llama", "vocab_size": c.vocab_size}
    search = {
        "do_sample": False,
        "max_length": c.context_length,
        "min_length": 0,
        "num_beams": 1,
        "num_return_sequences": 1,
        "past_present_share_buffer": True,
        "repetition_penalty": 1.0,
        "temperature": 1.0,
        "top_k": 1,
        "top_p": 1.0,
    }
    return {"model": {**ends, **sizes, "decoder": decoder}, "search": search}


def tokenizer_config(c: Config, end: int) -> dict:
    """Returns the configuration that Hugging Face's tokenizer loaders read beside tokenizer.json."""
    flags = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": {str(end): {"content": END_OF_TEXT, **flags, "special": True}},
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": c.context_length,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
