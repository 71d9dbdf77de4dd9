# The same matrix from the same list as `kmodbot matrix --crawler LIST` makes, for the kernels that
# have an image; without the reasons for the others.
# The header packages that name a kernel release.
def headers: [(.headers // [])[] | sub(".*/"; "")
  | capture("^linux-headers-(?<release>[^_]+)_(?<version>[^_]+)_(?<arch>amd64|arm64)\\.deb$")
  | select(.release | test("-common") | not)];
def series: capture("^(?<s>[0-9]+\\.[0-9]+)").s;
def ubuntu: (.kernelversion | tostring) as $v | headers as $h
  | (if ($h | length) > 0 then $h[0].release else .kernelrelease end) as $r
  | (($v | [capture("~(?<t>[0-9]{2}\\.[0-9]{2})"; "g").t] | last)
     // {"5.15": "22.04", "6.8": "24.04", "6.17": "25.10", "7.0": "26.04"}[$r | series]) as $d
  | {distribution: "ubuntu", distro_version: $d, release: $r};
def debian: headers as $h | select(($h | length) > 0)
  | (([.kernelrelease | capture("~(bpo|deb)(?<t>[0-9]+)"; "g").t] | last)
     // ([.kernelrelease | capture("\\+deb(?<t>[0-9]+)u").t] | last)
     // ([$h[0].release | capture("\\+deb(?<t>[0-9]+)").t] | last)
     // {"6.1": "12", "6.12": "13"}[.kernelrelease | series]) as $d
  | $h[] | {distribution: "debian", distro_version: $d, release};
def tagged($name; $pattern): (.kernelrelease | capture($pattern)) as $m
  | {distribution: $name, distro_version: $m.t, release: .kernelrelease};
def kernel:
  if .target | startswith("ubuntu-") then ubuntu
  elif .target == "debian" then debian
  elif .target == "fedora" then tagged("fedora"; "\\.fc(?<t>[0-9]+)\\.(x86_64|aarch64)")
  elif .target == "centos" then
    tagged("centos"; "\\.el(?<t>[0-9]+)\\.(x86_64|aarch64)") | .distro_version |= "stream" + .
  elif .target | startswith("amazonlinux") then
    tagged("amazonlinux"; "\\.amzn(?<t>[0-9]+)\\.(x86_64|aarch64)")
  else empty end;
def supported: {
  ubuntu: ["22.04", "24.04", "25.10", "26.04"], debian: ["12", "13"], fedora: ["42", "43"],
  centos: ["stream9", "stream10"], amazonlinux: ["2023"]};
def sortable: [scan("[0-9]+|[^0-9]+") | tonumber? // .];
def pieces($n): . as $all | range(0; length; $n) | $all[.:. + $n];
[.[][] | kernel | select(.distro_version as $v | supported[.distribution] | index([$v]))]
| group_by([.distribution, .distro_version])
| [.[] | .[0] as $first
   | [unique_by(.release) | sort_by(.release | sortable)[].release]
   | pieces(20)
   | {driver_version: "v0.1.0", distribution: $first.distribution,
      distro_version: $first.distro_version, architecture: "x86_64", kernels: .}]
| {chunks: [pieces(100)]}
