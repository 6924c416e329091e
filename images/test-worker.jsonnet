// Cloud Build's configuration for the image and that of the tools: `make image-gcb`.
local image = std.extVar('imageBase') + '/test-worker';
local tag = std.extVar('tag');

// What the image says of itself.
local facts = [
  '--build-arg=VERSION=' + std.extVar('gitVersion'),
  '--build-arg=REVISION=' + std.extVar('revision'),
  '--build-arg=CREATED=' + std.extVar('created'),
  '--build-arg=SOURCE_DATE_EPOCH=' + std.extVar('sourceDateEpoch'),
];

local docker(args) = { name: 'gcr.io/cloud-builders/docker', args: args };

{
  // The tools first: the image has all of their layers but the last one as well.
  steps: [
    docker(['build', '--target=tools', '--tag=%s:tools-%s' % [image, tag]] + facts + ['.']),
    docker(['build', '--tag=%s:%s' % [image, tag]] + facts + ['.']),
  ],
  images: ['%s:%s' % [image, tag], '%s:tools-%s' % [image, tag]],
  // Compiling takes a while.
  timeout: '3600s',
  options: { machineType: 'E2_HIGHCPU_8' },
}
