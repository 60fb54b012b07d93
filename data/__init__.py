"""Images, weights and results that come with the package: `mini_ddpm.files.shipped` finds them."""
