/** Base class of the compiled Jenkinsfile: what is not one of its own methods is a step. */
abstract class Pipeline extends Script {
    Object methodMissing(String name, Object args) {
        Jenkins jenkins = binding.jenkins
        name == 'pipeline' ? new Declarative(jenkins, this).pipeline(args[0]) : jenkins.step(name, args as List)
    }
}
