import pytest
import torch

from mini_ddpm.guidance import classifier_free
from mini_ddpm.unet import UNet, UNetConfig


@pytest.fixture(params=[False, True], ids=["eps", "eps and rho"])
def net(request):
    torch.manual_seed(0)
    net = UNet(UNetConfig(8, 1, 4, (1,), 1, (), groups=2, classes=3, learned_variance=request.param)).eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return net.requires_grad_(False)


def test_scales_interpolate_and_extrapolate(net):
    x, t, y = torch.randn(4, 1, 8, 8), torch.tensor([1, 10, 100, 1000]), torch.tensor([0, 1, 2, 0])
    with_label, without = net(x, t, y), net(x, t)
    close = {"rtol": 1e-4, "atol": 1e-5}
    assert torch.equal(classifier_free(net, y, 1)(x, t), with_label)
    torch.testing.assert_close(classifier_free(net, y, 0)(x, t)[:, :1], without[:, :1], **close)
    doubled = classifier_free(net, y, 2)(x, t)
    torch.testing.assert_close(doubled[:, :1], (2 * with_label - without)[:, :1], **close)
    torch.testing.assert_close(doubled[:, 1:], with_label[:, 1:], **close)  # variance channels are not guided
    assert not torch.allclose(with_label, without)
