/**
 * What a build is made of, as far as the Jenkinsfile needs it: parameters, environment, credentials, a console, and
 * the steps. Imitates behaviour that was read in the plugins' sources; it is no Jenkins. What it cannot show: that a
 * pipeline can be suspended and resumed, the script sandbox, agents, and the versions of plugins.
 */
class Jenkins {
    Map scenario
    Map params = [:]
    Map declared = [:] // environment {} of the pipeline and its stages
    Map assigned = [:] // env.NAME = value
    List<Map> contexts = [] // what withEnv and withCredentials lay over it, innermost last
    List<String> console = []
    List<Map> steps = []
    List<Map> questions = []
    List<String> archived = []
    List<String> order = [] // lock, agent, stages: what came after what
    List<Integer> timeouts = []
    List<Map> answers
    String workspace // null where there is no agent
    CurrentBuild currentBuild = new CurrentBuild()
    ClassLoader loader
    Script script

    Map environment() {
        Map all = [:] + scenario.environ + [
            BUILD_NUMBER: '7', BUILD_URL: 'https://jenkins.example.com/job/rollback/7/', JOB_NAME: 'rollback']
        params.each { key, value -> all[key] = value.toString() }
        if (workspace) {
            all.WORKSPACE = workspace
        }
        all + declared + assigned + (contexts.sum() ?: [:])
    }

    /** hudson.Util.replaceMacro: $NAME and ${NAME} that are known are replaced, $$ is a dollar. */
    String expanded(Object text) {
        Map known = environment()
        text.toString().replaceAll(/\$(\$|\w+|\{[^}]+\})/) { whole, name ->
            name == '$' ? '$' : known.containsKey(bare(name)) ? known[bare(name)] : whole
        }
    }

    private static String bare(String name) { name.startsWith('{') ? name[1..-2] : name }

    Object step(String name, List args) {
        steps << [name: name, args: args.findAll { !(it instanceof Closure) }.toString()]
        def implementation = Steps.metaClass.respondsTo(Steps, name)
        if (!implementation) {
            throw new NoSuchMethodError("No such DSL method '${name}' found among steps")
        }
        new Steps(this)."$name"(*args)
    }

    Throwable interruption(String cause) {
        def causeClass = loader.loadClass(cause)
        loader.loadClass('org.jenkinsci.plugins.workflow.steps.FlowInterruptedException')
            .newInstance('ABORTED', causeClass.newInstance())
    }

    Throwable abort(String message) { loader.loadClass('hudson.AbortException').newInstance(message) }
}
