"""Submissions to lab 2."""

from hostile import hostile
from submissions import Submission, answers

OTHER_WAYS = {
    "a": answers(
        schedule_answer="""
def schedule(T, beta_1, beta_T):
    products = np.cumprod(1 - np.linspace(beta_1, beta_T, T))
    return torch.from_numpy(np.concatenate([[1.0], products]))
""",
        half_answer="half_way, left = 27, 0.0045",
        mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    signal, noise = alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float()
    return signal[t].reshape(-1, 1) * x_0 + noise[t].reshape(-1, 1) * eps
""",
        line_answer="""
= Expectation(Expectation(eps**2*(1 - k*sqrt(1 - a_t))**2 - 2*eps*(1 - k*sqrt(1 - a_t))*k*sqrt(a_t)*x_0
  + k**2*a_t*x_0**2, eps), x_0, 0, u)
= (1 - k*sqrt(1 - a_t))**2 + Expectation(k**2*a_t*x_0**2, x_0, 0, u)
= 1 - 2*k*sqrt(1 - a_t) + k**2*(1 - a_t + a_t*u)
= (1 - a_t + a_t*u)*(k - sqrt(1 - a_t)/(1 - a_t + a_t*u))**2 + a_t*u/(1 - a_t + a_t*u)
""",
        floors_answer="loss_of_zero, floor_wide, floor_single = 1.0, 3.6 / 3.7, 0.0",
        loss_answer="""
from torch.nn import functional as F

def simple_loss(network, x_0, t, eps, alpha_bar):
    return F.mse_loss(network(q_sample(x_0, t, eps, alpha_bar), t), eps)
""",
        train_answer="""
def train(network, loss, rows, alpha_bar, steps, batch_size, learning_rate):
    adam = torch.optim.AdamW(network.parameters(), learning_rate, weight_decay=0)
    T = alpha_bar.shape[0] - 1
    for _ in range(steps):  # a generator
        adam.zero_grad(set_to_none=True)
        batch = rows[torch.randperm(len(rows))[:batch_size]]
        times = 1 + (T * torch.rand(len(batch))).long()
        lost = loss(network, batch, times, torch.randn(batch.shape), alpha_bar)
        lost.backward()
        adam.step()
        yield lost.detach()
""",
        learned_answer="""
torch.manual_seed(3)
painter = Guesser(codes, alpha_bar)
curve = [*train(painter, simple_loss, codes, alpha_bar, 1000, 64, 4e-3)]
curve += [*train(painter, simple_loss, codes, alpha_bar, 500, 64, 4e-4)]
painter_loss, line_loss = np.zeros(3), np.zeros(3)
for i, time in enumerate([10, 30, 50]):
    bar = float(alpha_bar[time])
    for _ in range(10):
        noise = torch.randn_like(held_out)
        x_t = bar**0.5 * held_out + (1 - bar) ** 0.5 * noise
        guess = painter(x_t, torch.tensor([time] * len(x_t))).detach()
        painter_loss[i] += ((guess - noise) ** 2).mean().item() / 10
    line_loss[i] = np.mean([bar * u / (bar * u + 1 - bar) for u in codes.numpy().var(0)])
""",
        mean_answer="""
= sqrt(a_s)*(1 - alpha)/(1 - a_t)*(x_t - sqrt(1 - a_t)*eps)/sqrt(a_t) + sqrt(alpha)*(1 - a_s)/(1 - a_t)*x_t
= (sqrt(a_s)*(1 - alpha)/sqrt(a_t) + sqrt(alpha)*(1 - a_s))/(1 - a_t)*x_t
  - sqrt(a_s)*(1 - alpha)/(sqrt(a_t)*sqrt(1 - a_t))*eps
= 1/sqrt(alpha)*x_t - (1 - alpha)/sqrt(alpha*(1 - a_t))*eps
""",
        step_answer="""
def reverse_step(x_t, t, s, eps_hat, z, alpha_bar):
    bar_t, bar_s = float(alpha_bar[t]), float(alpha_bar[s])
    image = (x_t - (1 - bar_t) ** 0.5 * eps_hat) / bar_t**0.5
    beta = 1 - bar_t / bar_s
    mean = bar_s**0.5 * beta / (1 - bar_t) * image + (1 - beta) ** 0.5 * (1 - bar_s) / (1 - bar_t) * x_t
    if s == 0:
        return mean
    return mean + (beta * (1 - bar_s) / (1 - bar_t)) ** 0.5 * z
""",
        sample_answer="""
@torch.inference_mode()
def sample(network, step, x_T, alpha_bar, times):
    x_t, times = x_T.clone(), list(times)
    while len(times) > 1:
        t = times.pop(0)
        z = torch.randn(x_t.shape) if times[0] > 0 else torch.zeros_like(x_t)
        guess = network(x_t, t * torch.ones(x_t.shape[0], dtype=torch.long))
        x_t = step(x_t=x_t, t=t, s=times[0], eps_hat=guess, z=z, alpha_bar=alpha_bar)
    return x_t
""",
        spread_answer="""
= Expectation(Expectation((x_t*alpha/sqrt(alpha) + sqrt(w)*z)**2, z), x_t)
= Expectation((sqrt(alpha)*x_t)**2, x_t) + w
= w + alpha
""",
        shrink_answer="""
def chain(stride):  # by hand: each step multiplies by alpha, and adds
    v = 1
    for t in range(T, 0, -stride):
        alpha = alpha_bar[t] / alpha_bar[t - stride]
        v = alpha * v + (1 - alpha_bar[t - stride]) / (1 - alpha_bar[t]) * (1 - alpha)
    return v

variances = [chain(1), chain(5), chain(20)]
""",
        draw_answer="""
torch.manual_seed(5)
parts = [sample(painter, reverse_step, torch.randn(50, K), alpha_bar, list(reversed(range(101)))) for _ in range(4)]
drawn = torch.cat(parts).numpy()
share_drawn = legible(alphabet.read(torch.cat(parts)))
share_line = np.mean([legible(alphabet.read(torch.randn(200, K) * codes.std(0))) for _ in range(3)])
""",
        ten_answer="""
ten = sample(writer, reverse_step, torch.randn(10, 784), writer_alpha_bar, list(range(0, 1001, 40))[::-1]).numpy()
""",
    ),
    "b": answers(
        schedule_answer="""
def schedule(T, beta_1, beta_T):
    found = [1.0]
    for i in range(T):
        beta = beta_1 + (beta_T - beta_1) * i / (T - 1)
        found.append(found[-1] * (1 - beta))
    return torch.tensor(found, dtype=torch.float64)
""",
        half_answer="""
half_way = 0
while alpha_bar[half_way] >= 1 / 2:
    half_way += 1
left = np.sqrt(alpha_bar[-1].item())
""",
        mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    mixed = torch.empty_like(x_0)
    for i in range(len(x_0)):
        bar = alpha_bar[t[i]].item()
        mixed[i] = bar**0.5 * x_0[i] + (1 - bar) ** 0.5 * eps[i]
    return mixed
""",
        line_answer="""
= Expectation(1 - 2*k*sqrt(1 - a_t) + k**2*(a_t*x_0**2 + 1 - a_t), x_0, 0, u)
= 1 - 2*k*sqrt(1 - a_t) + k**2*v
= 1 + v*((k - sqrt(1 - a_t)/v)**2 - (1 - a_t)/v**2)
= (v*k - sqrt(1 - a_t))**2/v + a_t*u/v
""",
        floors_answer="""
def floor(bar, variance):
    return bar * variance / (bar * variance + 1 - bar)

loss_of_zero, floor_wide, floor_single = np.mean(np.ones(5)), floor(0.9, 4), floor(0.9, 0)
""",
        loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    guess = network(q_sample(x_0, t, eps, alpha_bar), t)
    return ((guess - eps) ** 2).sum() / eps.numel()
""",
        train_answer="""
def train(network, loss, rows, alpha_bar, steps, batch_size, learning_rate):
    weights = [*network.parameters()]
    optimizer, losses, order = torch.optim.Adam(weights, lr=learning_rate), [], []
    while len(losses) < steps:  # epochs: every row once, in another order each time
        if len(order) < batch_size:
            order = torch.randperm(rows.shape[0]).tolist()
        chosen, order = order[:batch_size], order[batch_size:]
        x_0 = rows[chosen]
        t = torch.multinomial(torch.ones(len(alpha_bar) - 1), len(x_0), replacement=True) + 1
        error = loss(network=network, x_0=x_0, t=t, eps=torch.normal(0.0, 1.0, x_0.shape), alpha_bar=alpha_bar)
        for weight, slope in zip(weights, torch.autograd.grad(error, weights)):
            weight.grad = slope
        optimizer.step()
        losses += [float(error)]
    return losses
""",
        learned_answer="""
painter = Guesser(codes, alpha_bar)
for rate, steps in {4e-3: 1000, 4e-4: 500}.items():
    list(train(painter, simple_loss, codes, alpha_bar, steps, 64, rate))
painter.eval()
with torch.no_grad():
    painter_loss = [
        torch.stack([
            simple_loss(painter, held_out, torch.full([len(held_out)], time), torch.randn(held_out.shape), alpha_bar)
            for _ in range(8)
        ]).mean()
        for time in (10, 30, 50)
    ]
u = (codes**2).mean(0)
line_loss = torch.stack([(u / (u + (1 - alpha_bar[time]) / alpha_bar[time])).mean() for time in (10, 30, 50)])
""",
        mean_answer="""
= (sqrt(a_s)*(1 - alpha)*(x_t - sqrt(1 - a_t)*eps)/sqrt(a_t) + sqrt(alpha)*(1 - a_s)*x_t)/(1 - a_t)
= ((1 - alpha)/sqrt(alpha) + sqrt(alpha)*(1 - a_s))/(1 - a_t)*x_t - (1 - alpha)/sqrt(alpha)/sqrt(1 - a_t)*eps
= (x_t - (1 - alpha)*eps/sqrt(1 - a_t))/sqrt(alpha)
""",
        step_answer="""
from mini_ddpm.diffusion import q_posterior

def reverse_step(x_t, t, s, eps_hat, z, alpha_bar):
    image = (x_t - (1 - alpha_bar[t]).sqrt() * eps_hat) / alpha_bar[t].sqrt()
    mean, variance = q_posterior(image, x_t, alpha_bar[t], alpha_bar[s])
    return mean + variance.sqrt() * z
""",
        sample_answer="""
def sample(network, step, x_T, alpha_bar, times):
    if len(times) == 1:
        return x_T
    with torch.no_grad():
        guess = network(x_T, torch.full(x_T.shape[:1], times[0]))
    x_s = step(x_T, times[0], times[1], guess, torch.randn_like(x_T), alpha_bar)
    return sample(network, step, x_s, alpha_bar, times[1:])
""",
        spread_answer="""
= Expectation(Expectation(alpha*x_t**2 + 2*sqrt(alpha*w)*x_t*z + w*z**2, z), x_t)
= w + Expectation(alpha*x_t**2, x_t)
= w + alpha*1
""",
        shrink_answer="""
class Perfect(nn.Module):
    def forward(self, x_t, t):
        return x_t * torch.sqrt(1 - alpha_bar)[t].unsqueeze(1).float()

variances = np.array([
    sample(Perfect(), reverse_step, torch.randn(20_000, 1), alpha_bar, list(range(100, -1, -n))).numpy().var()
    for n in (1, 5, 20)
])
""",
        draw_answer="""
drawn = sample(painter, reverse_step, torch.randn(200, K), alpha_bar, list(range(100, -1, -1)))
share_drawn = legible(alphabet.read(drawn))
gaussian = torch.distributions.MultivariateNormal(torch.zeros(K), torch.cov(codes.T))
share_line = legible(alphabet.read(gaussian.sample((1000,))))
""",
        ten_answer="""
ten = sample(writer, reverse_step, torch.randn(10, 784), writer_alpha_bar, [40 * i for i in range(25, -1, -1)])
""",
    ),
    "c": answers(
        schedule_answer="""
def schedule(T, beta_1, beta_T):
    return NoiseSchedule.from_betas(torch.linspace(beta_1, beta_T, T).double()).alpha_bar
""",
        half_answer="half_way = torch.argmax((alpha_bar < 0.5).int())\nleft = alpha_bar[100] ** 0.5",
        mix_answer="""
from mini_ddpm import diffusion

def q_sample(x_0, t, eps, alpha_bar):
    return diffusion.q_sample(x_0, eps, alpha_bar.gather(0, t).unsqueeze(-1))
""",
        line_answer="""
= Expectation(Expectation((eps*(1 - k*sqrt(1 - a_t)) - k*sqrt(a_t)*x_0)**2, eps), x_0, 0, u)
= Expectation((1 - k*sqrt(1 - a_t))**2 + (k*sqrt(a_t)*x_0)**2, x_0, 0, u)
= 1 - 2*k*sqrt(1 - a_t) + k**2*(1 - a_t) + k**2*a_t*u   # k in three places
= a_t*u/v + v*((1 - a_t)**(1/2)/v - k)**2
""",
        floors_answer="loss_of_zero = np.float64(1)\nfloor_wide = 0.973\nfloor_single = torch.zeros(1)",
        loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    total = 0
    noise = network(q_sample(x_0, t, eps, alpha_bar), t)
    for row, right in zip(noise, eps):
        total = total + torch.mean(torch.square(right - row))
    return total / len(eps)
""",
        train_answer="""
def train(network, loss, rows, alpha_bar, steps, batch_size, learning_rate):
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)

    def one_step():
        picked = np.random.choice(len(rows), batch_size)
        x_0 = rows[picked]
        t = torch.as_tensor(np.random.randint(1, len(alpha_bar), size=batch_size))
        eps = torch.distributions.Normal(0.0, 1.0).sample(x_0.shape)
        error = loss(network, x_0, t, eps, alpha_bar)
        error.backward()
        optimizer.step()
        network.zero_grad()
        return error.item()

    return np.array([one_step() for _ in range(steps)])
""",
        learned_answer="""
torch.manual_seed(0)
painter = Guesser(codes, alpha_bar, width=96)
train(painter, simple_loss, codes, alpha_bar, 1000, 64, 4e-3)
train(painter, simple_loss, codes, alpha_bar, 500, 64, 4e-4)
def lost(network, time):
    many = held_out.repeat_interleave(4, dim=0)
    with torch.no_grad():
        return simple_loss(network, many, torch.full((len(many),), time), torch.randn_like(many), alpha_bar)
painter_loss = torch.stack([lost(painter, time) for time in (10, 30, 50)])
many = codes.repeat(20, 1)  # before any training it is the line
line_loss = [
    simple_loss(Guesser(codes, alpha_bar), many, torch.full((16000,), time), torch.randn(many.shape), alpha_bar).item()
    for time in (10, 30, 50)
]
""",
        mean_answer="""
= (1 - alpha)/(sqrt(alpha)*(1 - a_t))*x_t - (1 - alpha)/sqrt(alpha*(1 - a_t))*eps + sqrt(alpha)*(1 - a_s)/(1 - a_t)*x_t
= (1 - alpha + alpha*(1 - a_s))/(sqrt(alpha)*(1 - a_t))*x_t - (1 - alpha)/sqrt(alpha*(1 - a_t))*eps
= alpha**(-1/2)*(x_t - eps*(1 - alpha)*(1 - a_t)**(-1/2))
""",
        step_answer="""
def reverse_step(x_t, t, s, eps_hat, z, alpha_bar):
    kept = alpha_bar[t].item() / alpha_bar[s].item()
    mean = np.sqrt(1 / kept) * (x_t - (1 - kept) * eps_hat / np.sqrt(1 - alpha_bar[t].item()))
    variance = (1 - kept) * (1 - alpha_bar[s].item()) / (1 - alpha_bar[t].item())
    return torch.add(mean, z, alpha=variance**0.5)
""",
        sample_answer="""
def sample(network, step, x_T, alpha_bar, times):
    times = torch.tensor(list(times))
    x = x_T
    for i in range(len(times) - 1):
        t = times[i].repeat(len(x))
        eps_hat = network(x, t).detach()
        x = step(x, times[i].item(), times[i + 1].item(), eps_hat, torch.normal(0.0, 1.0, x.shape), alpha_bar)
    return x.detach()
""",
        spread_answer="""
= Expectation(Expectation((x_t - (1 - alpha)*x_t)**2/alpha + w*z**2, z), x_t)
= Expectation(x_t**2*alpha**2/alpha + w, x_t)
= alpha + w
""",
        shrink_answer="""
variances = {}
for n in (100, 20, 5):
    chain = np.linspace(100, 0, n + 1).round().astype(int).tolist()
    x = sample(lambda x, t: x * (1 - alpha_bar[t]).sqrt()[:, None], reverse_step,
               torch.randn(40_000, 1, dtype=torch.float64), alpha_bar, chain)
    variances[n] = (x**2).mean() - x.mean() ** 2
variances = [variances[100], variances[20], variances[5]]
""",
        draw_answer="""
x_T = torch.randn(200, K)
drawn = sample(painter, reverse_step, x_T, alpha_bar, range(100, -1, -1)).tolist()
share_drawn, share_line = (
    legible(alphabet.read(torch.tensor(one))) for one in (drawn, (x_T * codes.var(0) ** 0.5).tolist())
)
""",
        ten_answer="""
chain = torch.arange(1000, -1, -40).tolist()
ten = sample(writer, reverse_step, torch.normal(0, 1, (10, 784)), writer_alpha_bar, chain)
""",
    ),
}


def mistake(name: str, points: dict[str, float], **given: str) -> Submission:
    return Submission(name, points, answers(**given))


def loop(x_0="rows[torch.randint(len(rows), (batch_size,))]", t="torch.randint(1, len(alpha_bar), (batch_size,))",
         eps="torch.randn_like(x_0)", before="", clear="optimizer.zero_grad()", move="optimizer.step()"):  # fmt: skip
    """A training loop with another line in one place."""
    return f"""
def train(network, loss, rows, alpha_bar, steps, batch_size, learning_rate):
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    losses = []
    {before}
    for _ in range(steps):
        x_0 = {x_0}
        t = {t}
        eps = {eps}
        value = loss(network, x_0, t, eps, alpha_bar)
        {clear}
        value.backward()
        {move}
        losses.append(value.item())
    return losses
"""


def back(mean="(x_t - (1 - alpha) / (1 - a_t).sqrt() * eps_hat) / alpha.sqrt()",
         spread="((1 - a_s) / (1 - a_t) * (1 - alpha)).sqrt()"):  # fmt: skip
    """A step with another mean or another spread."""
    return f"""
def reverse_step(x_t, t, s, eps_hat, z, alpha_bar):
    a_t, a_s = alpha_bar[t], alpha_bar[s]
    alpha = a_t / a_s
    return {mean} + {spread} * z
"""


def walk(ask="x, torch.full((len(x),), t)", z="torch.randn_like(x)", pairs="zip(times[:-1], times[1:])",
         keep="torch.no_grad()", end="x"):  # fmt: skip
    """A sampler with another line in one place."""
    return f"""
def sample(network, step, x_T, alpha_bar, times):
    x, z = x_T, torch.randn_like(x_T)
    with {keep}:
        for t, s in {pairs}:
            x = step(x, t, s, network({ask}), {z}, alpha_bar)
    return {end}
"""


MISTAKES = [
    mistake(
        "in-one-line",
        {"line": 3, "mean": 2, "spread": 2},
        line_answer="= v*(k - sqrt(1 - a_t)/v)**2 + a_t*u/v",
        mean_answer="= (x_t - (1 - alpha)/sqrt(1 - a_t)*eps)/sqrt(alpha)",
        spread_answer="= alpha + w",
    ),
    mistake(
        "a-sign-and-a-root",
        {"line": 4, "mean": 3, "spread": 2, "half": 1, "floors": 2},
        line_answer="""
= Expectation((1 + k*sqrt(1 - a_t))**2 + k**2*a_t*x_0**2, x_0, 0, u)
= 1 + 2*k*sqrt(1 - a_t) + k**2*v
= v*(k + sqrt(1 - a_t)/v)**2 + 1 - (1 - a_t)/v
""",
        mean_answer="""
= sqrt(a_s)*(1 - a_t/a_s)/(1 - a_t)*(x_t + sqrt(1 - a_t)*eps)/sqrt(a_t) + sqrt(a_t/a_s)*(1 - a_s)/(1 - a_t)*x_t
= ((1 - alpha) + alpha - alpha*a_s)/(sqrt(alpha)*(1 - a_t))*x_t + (1 - alpha)/(sqrt(alpha)*sqrt(1 - a_t))*eps
= (x_t + (1 - alpha)/sqrt(1 - a_t)*eps)/sqrt(alpha)
""",
        spread_answer="= Expectation(alpha*x_t**2 - w, x_t)\n= alpha - w",
        half_answer="half_way, left = 27, float(alpha_bar[T])",
        floors_answer="loss_of_zero, floor_wide, floor_single = 1, 0.9 * 2 / (0.9 * 2 + 0.1), 0",
    ),
    mistake(
        "not-all-the-way",
        {"line": 2, "mean": 2, "spread": 1, "half": 1, "floors": 1},
        line_answer="""
= Expectation((1 - k*sqrt(1 - a_t))**2 + k**2*a_t*x_0**2, x_0, 0, u)
= (1 - k*sqrt(1 - a_t))**2 + k**2*a_t*u
""",
        mean_answer="""
= sqrt(a_s)*(1 - a_t/a_s)/(1 - a_t)*(x_t - sqrt(1 - a_t)*eps)/sqrt(a_t) + sqrt(a_t/a_s)*(1 - a_s)/(1 - a_t)*x_t
= ((1 - alpha) + alpha - alpha*a_s)/(sqrt(alpha)*(1 - a_t))*x_t - (1 - alpha)/(sqrt(alpha)*sqrt(1 - a_t))*eps
""",
        spread_answer="= Expectation(alpha*x_t**2 + w, x_t)",
        half_answer="half_way, left = 50, 0.0045",
        floors_answer="loss_of_zero, floor_wide, floor_single = 1, 0.1 / 3.7, 1",
    ),
    mistake(
        "nonsense-and-no-time-0",
        {"line": 0, "mean": 0, "spread": 0, "schedule": 0},
        line_answer="= k + v\n= 0*k + v",
        mean_answer="= x_t\n= eps*alpha + x_t - eps*alpha",
        spread_answer="= 1 + w   # the variance of x_t is 1",
        schedule_answer="""
def schedule(T, beta_1, beta_T):
    return torch.cumprod(1 - torch.linspace(beta_1, beta_T, T), 0)
""",
    ),
    mistake("both-means-in-one-line", {}, line_answer="""
= (1 - k*sqrt(1 - a_t))**2 + k**2*a_t*u
= v*(k - sqrt(1 - a_t)/v)**2 + a_t*u/v
""", spread_answer="""
= Expectation(alpha*x_t**2, x_t) + Expectation(w*z**2, z)
= alpha + w
"""),
    # what is left after the slip is no square to complete; the true answer comes after it
    mistake("a-square-forgotten-and-numpy", {"line": 4, "mix": 3}, line_answer="""
= Expectation((1 - k*sqrt(1 - a_t))**2 + k**2*a_t*x_0, x_0, 0, u)
= (1 - k*sqrt(1 - a_t))**2
= v*(k - sqrt(1 - a_t)/v)**2 + a_t*u/v
""", mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    share = alpha_bar.numpy()[t.numpy()].astype("float32")[:, None]
    return share**0.5 * x_0.numpy() + (1 - share) ** 0.5 * eps.numpy()
"""),
    mistake("a-factor-forgotten", {"line": 4}, line_answer="""
= Expectation((1 - k*sqrt(1 - a_t))**2 + k**2*x_0**2, x_0, 0, u)
= 1 - 2*k*sqrt(1 - a_t) + k**2*(1 - a_t + u)
= (u + 1 - a_t)*(k - sqrt(1 - a_t)/(u + 1 - a_t))**2 + 1 - (1 - a_t)/(u + 1 - a_t)
"""),
    mistake("the-slope-forgotten", {"line": 2}, line_answer="""
= Expectation(Expectation((eps - sqrt(a_t)*x_0 - k*sqrt(1 - a_t)*eps)**2, eps), x_0, 0, u)
= (1 - k*sqrt(1 - a_t))**2 + a_t*u
"""),
    # schedule and mix; what is trained with a wrong mix is worse, and the loss is marked with the student's own
    mistake(
        "beta-for-alpha-and-no-roots",
        {"schedule": 1, "mix": 2, "learned": 1, "draw": 1},
        schedule_answer="""
def schedule(T, beta_1, beta_T):
    return torch.cat([torch.ones(1), torch.cumprod(torch.linspace(beta_1, beta_T, T), 0)])
""",
        mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    share = alpha_bar[t].float()[:, None]
    return share * x_0 + (1 - share) * eps
""",
    ),
    mistake(
        "shifted-schedule-and-float64",
        {"schedule": 1, "mix": 3},
        schedule_answer="""
def schedule(T, beta_1, beta_T):
    beta = torch.linspace(beta_1, beta_T, T + 1)
    return torch.cat([torch.ones(1), (1 - beta[1:]).cumprod(0)])
""",
        mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    return alpha_bar[t][:, None].sqrt() * x_0 + (1 - alpha_bar[t][:, None]).sqrt() * eps
""",
        loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    return (network(q_sample(x_0, t, eps, alpha_bar).float(), t) - eps).square().mean()
""",
    ),
    mistake(
        "one-time-for-all-and-gradients-kept",
        {"mix": 2, "draw": 1, "sample": 4},
        mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    share = alpha_bar[t[0]].float()
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps
""",
        sample_answer=walk(keep="torch.enable_grad()"),
        draw_answer="""
torch.manual_seed(0)
drawn = sample(painter, reverse_step, torch.randn(200, K), alpha_bar, [*range(T, -1, -1)]).detach()
share_drawn = legible(alphabet.read(drawn))
share_line = legible(alphabet.read(torch.randn(200, K) * codes.std(dim=0)))
""",
    ),
    mistake(
        "columns-for-rows",
        {"mix": 0, "learned": 0, "draw": 1},  # the loss is tested with a right mix
        mix_answer="""
def q_sample(x_0, t, eps, alpha_bar):
    share = alpha_bar[t].float()
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps
""",
    ),
    # the loss
    mistake("sum-for-mean-and-noise-at-the-end", {"loss": 0, "learned": 2, "sample": 4, "ten": 1}, loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    return (network(q_sample(x_0, t, eps, alpha_bar), t) - eps).square().sum()
""", sample_answer=walk(end="x + 0.1 * torch.randn_like(x)")),
    mistake("loss-of-the-image", {"loss": 0, "learned": 1, "draw": 1}, loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    return (network(q_sample(x_0, t, eps, alpha_bar), t) - x_0).square().mean()
"""),
    mistake("loss-at-x-0", {"loss": 1, "learned": 1, "draw": 1}, loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    return (network(x_0, t) - eps).square().mean()
"""),
    mistake("loss-as-a-number", {"loss": 2, "learned": 0, "draw": 1}, loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    return (network(q_sample(x_0, t, eps, alpha_bar), t) - eps).square().mean().item()
"""),
    mistake("loss-of-other-noise", {"loss": 0, "learned": 1, "draw": 1}, loss_answer="""
def simple_loss(network, x_0, t, eps, alpha_bar):
    x_t = q_sample(x_0, t, eps, alpha_bar)
    return (network(x_t, t) - torch.randn_like(eps)).square().mean()
"""),
    # the loop; what it trains is measured, too
    mistake("no-zero-grad", {"train": 5, "learned": 2, "draw": 1}, train_answer=loop(clear="pass")),
    mistake("times-from-0", {"train": 6}, train_answer=loop(t="torch.randint(0, len(alpha_bar) - 1, (batch_size,))")),
    mistake("uniform-noise", {"train": 4, "learned": 2, "draw": 1}, train_answer=loop(eps="torch.rand_like(x_0)")),
    mistake("one-time-a-batch", {"train": 6},
        train_answer=loop(t="torch.randint(1, len(alpha_bar), (1,)).repeat(batch_size)")),
    # the loop, and the step or the walk, which do not touch each other's points
    mistake("no-step-and-variance-for-deviation", {"train": 4, "learned": 2, "draw": 1, "step": 3, "shrink": 0},
        train_answer=loop(move="pass"), step_answer=back(spread="((1 - a_s) / (1 - a_t) * (1 - alpha))")),
    mistake("noise-once-and-beta", {"train": 6, "learned": 2, "draw": 1, "step": 2, "shrink": 0, "ten": 1},
        train_answer=loop(before="fixed = torch.randn(batch_size, rows.shape[1])", eps="fixed"),
        step_answer=back(spread="(1 - alpha).sqrt()")),
    mistake("first-rows-and-neighbours-only", {"train": 6, "learned": 2, "step": 1, "shrink": 1, "ten": 0},
        train_answer=loop(x_0="rows[:batch_size]"),
        step_answer=back().replace("alpha = a_t / a_s", "alpha = a_t / alpha_bar[t - 1]")),
    mistake("T-of-the-notebook-and-the-same-noise", {"train": 4, "sample": 4, "shrink": 0, "draw": 1, "ten": 0},
        train_answer=loop(t="torch.randint(1, T + 1, (batch_size,))"), sample_answer=walk(z="z")),
    mistake("times-from-0-to-T-and-no-root", {"train": 6, "step": 1, "shrink": 0, "draw": 2, "ten": 0},
        train_answer=loop(t="torch.randint(0, len(alpha_bar), (batch_size,))"),
        step_answer=back(mean="(x_t - (1 - alpha) / (1 - a_t) * eps_hat) / alpha.sqrt()")),
    mistake("asked-at-s", {"sample": 4, "shrink": 0, "ten": 0},
        sample_answer=walk(ask="x, torch.full((len(x),), s)")),
    mistake("a-time-as-a-number-and-no-adam",
        {"train": 6, "learned": 2, "sample": 4, "shrink": 0, "draw": 0, "ten": 0}, sample_answer=walk(ask="x, t"),
        train_answer=loop(move="[p.data.sub_(learning_rate * p.grad) for p in network.parameters()]")),
    # measurements
    mistake("copies-and-digits-that-are-real", {"draw": 2, "ten": 1}, draw_answer="""
drawn = codes[torch.randperm(len(codes))[:200]] + 0.01 * torch.randn(200, K)
share_drawn = legible(alphabet.read(drawn))
share_line = legible(alphabet.read(torch.randn(200, K) * codes.std(0)))
""", ten_answer="ten = digits_of('train')[:10]"),
    mistake("numbers-that-were-guessed", {"learned": 0, "shrink": 0, "draw": 0, "ten": 0}, learned_answer="""
painter = Guesser(codes, alpha_bar)
painter_loss, line_loss = [0.6, 0.2, 0.05], alpha_bar[[10, 30, 50]]
""", shrink_answer="variances = [1, 1, 1]", draw_answer="""
drawn = torch.randn(200, K)
share_drawn, share_line = 0.95, 0.5
""", ten_answer="ten = torch.randn(10, 784)"),
]  # fmt: skip

SUBMISSIONS = [
    Submission("instructor"),
    *(Submission(f"other-way-{name}", {}, edit) for name, edit in OTHER_WAYS.items()),
    *MISTAKES,
    *(
        one
        for one in hostile("02_noise_to_digits", "half-answer", "half", ["half_way", "left"])
        if one.name in ("nothing", "kernel-dies", "empty")
    ),
]
