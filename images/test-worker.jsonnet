// Cloud Build's configuration for the image and that of the tools: `make image-gcb`.
local image = std.extVar('imageBase');
local tag = std.extVar('tag');

// What is built, from what: the Makefile's IMAGE_FACTS.
local label(name, value) = '--label=org.opencontainers.image.%s=%s' % [name, value];
local facts = [
  '--build-arg=VERSION=' + std.extVar('version'),
  '--build-arg=REVISION=' + std.extVar('revision'),
  '--build-arg=COMMIT_TIME=' + std.extVar('commitTime'),
  label('source', 'https://github.com/test-worker/test-worker'),
  label('licenses', 'Apache-2.0'),
  label('version', std.extVar('version')),
  label('revision', std.extVar('revision')),
  label('created', std.extVar('created')),
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
