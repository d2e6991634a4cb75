"""The story model as a PyTorch module: a small Llama, kept close to the graph that export_onnx.py writes."""

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Config:
    """Sizes of the model. They are chosen so that the exported folder stays under 8,000,000 bytes."""

    vocab_size: int = 2000
    hidden_size: int = 128
    layers: int = 8
    query_heads: int = 8
    kv_heads: int = 4
    head_size: int = 16
    intermediate_size: int = 416
    context_length: int = 512
    rope_theta: float = 10000.0
    norm_epsilon: float = 1e-5

    as_dict = asdict


def rope_caches(config: Config) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the rotary angles, each f32 [context_length, head_size / 2]."""
    exponents = torch.arange(0, config.head_size, 2, dtype=torch.float64) / config.head_size
    positions = torch.arange(config.context_length, dtype=torch.float64)
    angles = torch.outer(positions, config.rope_theta**-exponents)
    return angles.cos().float(), angles.sin().float()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding in the half-split form (not interleaved); x is [batch, heads, positions, head_size]."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Attention(nn.Module):
    """Grouped-query attention over packed query, key and value rows."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        rows = (config.query_heads + 2 * config.kv_heads) * config.head_size
        self.qkv_proj = nn.Linear(config.hidden_size, rows, bias=False)
        self.o_proj = nn.Linear(config.query_heads * config.head_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, _ = x.shape
        c = self.config
        heads = self.qkv_proj(x).view(batch, length, -1, c.head_size).transpose(1, 2)
        q, k, v = heads.split((c.query_heads, c.kv_heads, c.kv_heads), dim=1)
        groups = c.query_heads // c.kv_heads
        k = rotate(k, cos, sin).repeat_interleave(groups, dim=1)
        v = v.repeat_interleave(groups, dim=1)
        y = F.scaled_dot_product_attention(rotate(q, cos, sin).to(v.dtype), k.to(v.dtype), v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class Mlp(nn.Module):
    """SwiGLU; the gate and up projections are one matrix here and two in the exported graph."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_up_proj(x).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, config: Config, dropout: float) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon)
        self.attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon)
        self.mlp = Mlp(config)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.dropout(self.attn(self.input_layernorm(x), cos, sin))
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x)))


class StoryModel(nn.Module):
    """Token ids [batch, positions] to logits [batch, positions, vocab_size]; the embedding is also the output head."""

    def __init__(self, config: Config, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, dropout) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.norm_epsilon)
        cos, sin = rope_caches(config)
        self.register_buffer("cos_cache", cos, persistent=False)
        self.register_buffer("sin_cache", sin, persistent=False)
        self.apply(self._init)

    def _init(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5 * 0.6)
        # Projections into the residual stream start small, so that depth does not raise its variance (GPT-2).
        for layer in self.layers if module is self else ():
            for projection in (layer.attn.o_proj, layer.mlp.down_proj):
                nn.init.normal_(projection.weight, std=projection.in_features**-0.5 * (2 * len(self.layers)) ** -0.5)

    def forward(self, ids: Tensor) -> Tensor:
        length = ids.shape[1]
        cos, sin = self.cos_cache[:length], self.sin_cache[:length]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin)
        return F.linear(self.norm(x), self.embed_tokens.weight)

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean negative log-likelihood in nats per token; targets of -100 do not count."""
        return F.cross_entropy(self(ids).flatten(0, 1).float(), targets.flatten(), ignore_index=-100)
